"""A worker: one process, one computation, then gone.

It gives up what it does not need, imports the engine that is asked most, says hello, and waits. It is given parameters
and a table as an open file; it answers values or one opaque word. Whatever else happens, it ends without a word, and
the pool tells no more than that: texts of libraries may hold data.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

from hefu.canonical import Json, Object

from hefu_connector.engines import Moved
from hefu_connector.workers import confinement, frames

Run = Callable[[Object, Path, str, Object], Object]
Make = Callable[[Object, Path, str, Object, frames.Sink], Object]
ENGINES = {
    "statistics": "hefu_connector.engines.counting",
    "inspect": "hefu_connector.engines.inspection",
}
# Imported when they are asked: what every worker imports, each answer pays for, since each has a worker of its own.
SELDOM = {
    "delivery": "hefu_connector.engines.delivering",
    "exact": "hefu_connector.engines.exact.counting",
    "sample": "hefu_connector.engines.synthetic",
}
MAKERS = {"laying": "hefu_connector.engines.laying"}  # of a file, which goes to the connector before the answer
# Libraries that engines import if they find them, and do not need: half of the time of a start, and more to trust.
_UNWANTED = frozenset({"numpy", "pandas", "scipy", "sklearn", "polars", "matplotlib", "torch"})


class _Unwanted:
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name.partition(".")[0] in _UNWANTED:
            raise ModuleNotFoundError(name)


def main(arguments: Sequence[str]) -> None:
    """Run a worker.

    Args:
        arguments: memory in bytes, processor seconds, process id of the pool, the folders of tables.
    """
    requests, answers, reached = confine(arguments)
    sys.meta_path.insert(0, _Unwanted())
    modules = {name: importlib.import_module(module) for name, module in ENGINES.items()}
    for module in modules.values():
        if hasattr(module, "warm"):
            module.warm()
    runs: dict[str, Run] = {name: module.run for name, module in modules.items()}
    seldom = {name: _importing(module) for name, module in SELDOM.items()}
    makers = {name: making(module, answers) for name, module in MAKERS.items()}
    serve({**runs, **seldom, **makers}, requests, answers, reached)


def confine(arguments: Sequence[str]) -> tuple[int, int, Object]:
    """Give up what a worker does not need. Call it before anything starts a thread.

    Returns:
        The descriptors of requests and answers, and what was reached: ``network`` and ``files``.
    """
    memory, seconds, parent, *folders = arguments
    requests, answers = _take_pipes()
    network = confinement.isolate()
    confinement.die_with(int(parent))
    files = confinement.see_only([*confinement.libraries(), *(Path(each) for each in folders)])
    confinement.limit(int(memory), int(seconds))
    return requests, answers, {"network": network, "files": files}


def serve(engines: Mapping[str, Run], requests: int, answers: int, reached: Object) -> None:
    """Say hello, run one request, answer, end the process. Does not return.

    Args:
        engines: what `run` may be asked, by name.
        requests, answers: file descriptors.
        reached: as `confine` said; told in the hello.
    """
    frames.send(answers, {"hello": 1, "engines": [*sorted(engines)], **reached})
    request = frames.receive(requests)
    parameters, layout, beside = request["parameters"], request["layout"], request.get("beside", [])
    if not isinstance(parameters, dict) or not isinstance(layout, dict) or not isinstance(beside, list):
        os._exit(1)
    path, *paths = frames.take(requests, 1 + len(beside))
    if beside:
        layout = {**layout, "beside": [_beside(each, at) for each, at in zip(beside, paths, strict=True)]}
    try:
        values = engines[str(request["engine"])](parameters, path, str(request["form"]), layout)
    except Moved:
        frames.send(answers, {"moved": True})
        os._exit(0)
    frames.send(answers, {"values": values})
    os._exit(0)


def _beside(table: Json, path: Path) -> Object:
    """A table that is read with the first, as an engine finds it in the first one's layout."""
    if not isinstance(table, dict):
        os._exit(1)
    return {**table, "path": str(path)}


def _importing(module: str) -> Run:
    """Run an engine that is imported when it is needed, since it seldom is."""

    def run(parameters: Object, path: Path, form: str, layout: Object) -> Object:
        found: Run = importlib.import_module(module).run
        return found(parameters, path, form, layout)

    return run


def making(module: str, answers: int) -> Run:
    """Run an engine that makes a file, and send it piece by piece; imported when it is asked for."""

    def run(parameters: Object, path: Path, form: str, layout: Object) -> Object:
        make: Make = importlib.import_module(module).make
        sink = frames.Sink(answers)
        try:
            return make(parameters, path, form, layout, sink)
        finally:
            sink.end()

    return run


def _take_pipes() -> tuple[int, int]:
    """Keep the pipes for messages only: whatever a library reads or prints goes nowhere."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    return requests, answers


if __name__ == "__main__":
    main(sys.argv[1:])
