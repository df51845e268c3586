"""A whole space that outlives the command that started it: for harnesses outside, which kill, restart and move clocks.

All of it is made for tests: fault points and the clock can be armed in it. What runs stands in ``space-up.json``; a
process is known by its id *and* its start time, so that nobody else's process is ever ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hefu.errors import Malformed, NotFound, Unavailable
from hefu.space import SpaceFile

from hefu_space.harness import hefu, until
from hefu_space.space import Member, Space

FILE, CLOCK, LOGS = "space-up.json", "clock", "logs"
BROKER, REGULATOR = "broker", "regulator"
_START, _STOP = 40.0, 15.0  # seconds


@dataclass(frozen=True, slots=True)
class Server:
    """One process of the space.

    Attributes:
        words: of its command line after ``hefu``.
        started: the kernel's start time of the process, in ticks; tells it from a later one of the same id.
    """

    name: str
    folder: str
    words: tuple[str, ...]
    pid: int = 0
    started: int = 0

    @property
    def alive(self) -> bool:
        """Whether this very process runs."""
        return self.pid > 0 and start_time(self.pid) == self.started


def up(folder: Path, connectors: int, arms: Mapping[str, str]) -> dict[str, Any]:
    """Make a space and start it, or start of an existing one what does not run.

    Args:
        folder: new, empty, or of an earlier `up`.
        connectors: how many; each is a participant of its own that provides and consumes.
        arms: ``HEFU_FAULT`` by the name of a server, for this life of it.

    Returns:
        The document of `status`.

    Raises:
        Malformed: the folder holds something else, or a name is of no server.
        Unavailable: a server did not start; its log says why.
    """
    servers = _read(folder) if (folder / FILE).exists() else _make(folder, connectors)
    unknown = set(arms) - {each.name for each in servers}
    if unknown:
        raise NotFound("resource.not_found", what="server", name=sorted(unknown)[0])
    running = [each if each.alive else _begin(folder, each, arms.get(each.name, "")) for each in servers]
    _write(folder, running)
    for each in running:
        _await(folder, each)
    return status(folder)


def down(folder: Path) -> list[str]:
    """End what runs, connectors first; returns the names of what did."""
    servers = _read(folder)
    ended = [each for each in reversed(servers) if each.alive]
    for each in ended:
        os.kill(each.pid, signal.SIGTERM)
        if not until(lambda each=each: not each.alive, _STOP):  # type: ignore[misc]
            os.kill(each.pid, signal.SIGKILL)
            until(lambda each=each: not each.alive, _STOP)  # type: ignore[misc]
    return [each.name for each in ended]


def status(folder: Path) -> dict[str, Any]:
    """What a harness needs: endpoints, identities, process ids, and where everything lies."""
    servers = _read(folder)
    file = folder / BROKER / "space.json"
    pinned = SpaceFile.read(file)
    return {
        "dir": str(folder),
        "space": pinned.space,
        "space_file": str(file),
        "root": str(folder / "broker-root"),
        "clock": str(folder / CLOCK),
        "logs": str(folder / LOGS),
        "regulator": str(folder / REGULATOR),
        "broker": {
            "participant": pinned.broker,
            "endpoint": pinned.address,
            "enrolment": pinned.enrolment,
            "log": pinned.log_origin,
            "log_key": pinned.log_key,
            **_process(servers[0]),
        },
        "connectors": [_connector(each) for each in servers[1:]],
    }


def move_clock(folder: Path, seconds: float) -> None:
    """Let all servers of the space see the machine's clock moved by so many seconds from now on."""
    _read(folder)
    beside = folder / f"{CLOCK}.new"
    beside.write_text(f"{seconds}\n", "ascii")
    beside.replace(folder / CLOCK)


def start_time(pid: int) -> int:
    """The kernel's start time of a process, in ticks since boot; 0 where there is none, or only its remains."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return 0
    after = text.rpartition(")")[2].split()
    return 0 if after[0] in "ZX" else int(after[19])  # proc(5): state is field 3, starttime field 22


def _make(folder: Path, connectors: int) -> list[Server]:
    if not 1 <= connectors <= 64:
        raise Malformed("settings.value", name="connectors", expected="a whole number from 1 to 64")
    if folder.exists() and any(folder.iterdir()):
        raise Malformed("demo.not_empty", folder=str(folder))
    space = Space(folder, {"HEFU_TEST": "1"}, {"workers": 1})
    numbers = range(1, connectors + 1)
    members = [Member(f"member-{n}", (f"Member {n}", f"成员{n}"), ("provider", "consumer")) for n in numbers]
    try:
        space.found()
        space.enrol(members)
        space.join_regulator(REGULATOR)
    finally:
        space.stop()
    (folder / CLOCK).write_text("0\n", "ascii")
    names = [each.name for each in members]
    servers = [Server(BROKER, str(folder / BROKER), ("broker", "serve", "--dir", str(folder / BROKER)))]
    servers += [Server(name, str(folder / name), ("connector", "serve", "--dir", str(folder / name))) for name in names]
    _write(folder, servers)
    return servers


def _begin(folder: Path, server: Server, fault: str) -> Server:
    environment = {**os.environ, "HEFU_TEST": "1", "HEFU_CLOCK": str(folder / CLOCK)}
    environment.pop("HEFU_FAULT", None)
    if fault:
        environment["HEFU_FAULT"] = fault
    said = _said(folder, server)
    said.parent.mkdir(exist_ok=True)
    with said.open("wb") as out, said.with_suffix(".log").open("ab") as log:
        process = subprocess.Popen(
            hefu(*server.words, "--json"),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
    return Server(server.name, server.folder, server.words, process.pid, start_time(process.pid))


def _await(folder: Path, server: Server) -> None:
    said = _said(folder, server)
    until(lambda: _is_ready(said) or not server.alive, _START)
    if not _is_ready(said):
        raise Unavailable("space.not_started", name=server.name, log=str(said.with_suffix(".log")))


def _is_ready(said: Path) -> bool:
    try:
        return bool(json.loads(said.read_text("utf-8")).get("ready"))
    except (OSError, ValueError):
        return False


def _connector(server: Server) -> dict[str, Any]:
    settings = json.loads((Path(server.folder) / "connector.json").read_text("utf-8"))
    return {
        "participant": settings["participant"],
        "connector": settings["connector"],
        "endpoint": settings["endpoint"],
        "keys": str(Path(server.folder) / "keys"),
        **_process(server),
    }


def _process(server: Server) -> dict[str, Any]:
    return {"name": server.name, "dir": server.folder, "pid": server.pid, "alive": server.alive}


def _said(folder: Path, server: Server) -> Path:
    return folder / LOGS / f"{server.name}.out"


def _read(folder: Path) -> list[Server]:
    try:
        document = json.loads((folder / FILE).read_text("utf-8"))
        return [Server(**{**each, "words": tuple(each["words"])}) for each in document["servers"]]
    except FileNotFoundError:
        raise Malformed("space.absent", folder=str(folder)) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise Malformed("space.unreadable", path=str(folder / FILE), why="it is not of hefu space up") from None


def _write(folder: Path, servers: Sequence[Server]) -> None:
    beside = folder / f"{FILE}.new"
    document = {"servers": [asdict(each) for each in servers], "written": time.time()}
    beside.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    beside.replace(folder / FILE)
