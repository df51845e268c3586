"""A whole space on data that can be recognised, on good and bad days; run as a program, it tells what leaked as JSON.

Names of people are planted in a CSV file, a Parquet file and an SQL table. Three products are queried, refused, and
broken: a worker and a connector are aborted in the middle of reading, columns vanish, files turn into garbage.
"""

from __future__ import annotations

import json
import os
import resource
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from tests.attacks import watching

FOLDER = Path("/tmp/space")
WORD = f"Zanari{secrets.token_hex(6)}"  # each person's name begins with it
CONTROL = f"Kontrol{secrets.token_hex(6)}"  # planted where it must be found, so that the detectors are known to work
ROWS = 40_000
QUERY = 'SELECT region, COUNT(*) AS n, SUM(income) AS total FROM "{product}" GROUP BY region'
SOURCES = ("people.csv", "people.parquet", "people.db")


def main() -> None:
    """Tell the story, then what was found where."""
    os.environ.update(HOME="/tmp/home", XDG_CONFIG_HOME="/tmp/home/config")
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    before = set(Path("/").iterdir())
    watching.enter()
    os.chdir("/tmp")  # where a core dump of anybody would go
    control = watching.Watch([CONTROL.encode()], lambda _: False)
    watch = watching.Watch([WORD.encode()], _is_source)
    told = _story()
    _plant_control()
    for each in (watch, control):
        each.scan([*watching.PLACES, *(set(Path("/").iterdir()) - before)])
    time.sleep(0.5)  # the detectors' own rhythm
    watch.stop()
    control.stop()
    told |= {
        "found": sorted(watch.found),
        "control": sorted({kind for kind, _ in control.found}),
        "dumps": any(Path(where).name.startswith("core") for _, where in control.found),
        "pattern": Path("/proc/sys/kernel/core_pattern").read_text().strip(),
        "looked": {"packets": watch.packets, "files": watch.files, "processes": watch.looks},
    }
    sys.stdout.write(json.dumps(told) + "\n")


def _story() -> dict[str, object]:
    from hefu_space.space import Member, Space

    space = Space(FOLDER, {"HEFU_TEST": "1"}, {"quantum_ms": 0})
    try:
        space.found()
        provider, consumer = space.join(
            [
                Member("hospital-a", ("Hospital A", "甲医院"), ("provider",)),
                Member("institute", ("Institute", "研究院"), ("consumer",)),
            ]
        )
        events = dict(_days(space, provider, consumer))
    finally:
        space.stop()
    return {"events": events, "copy": _copied(space, events)}


def _days(space, provider, consumer) -> Iterator[tuple[str, object]]:  # type: ignore[no-untyped-def]
    from hefu.errors import HefuError

    from tests.journeys import acts

    products = _publish(provider)
    deals = [acts.agree(provider, consumer, each, "open") for each in products]
    yield "agreements", [deal.agreement for deal in deals]
    answers = [acts.query(deal, QUERY) for deal in deals]
    yield "answered", [len(each.answer.rows) for each in answers]
    yield "computations", [each.computation.name.rpartition("/")[2] for each in answers]
    words = ("compute", "query", "--contract", deals[0].agreement, "--epsilon")
    refused = [
        consumer.ask(*words, "0.1", QUERY.format(product=products[0]).replace("income", "person")),
        consumer.ask(*words, "1000", QUERY.format(product=products[0])),
    ]
    yield "refused", [each.ok for each in refused]
    yield "worker aborted", _abort(deals[0], lambda: _worker_of(provider.process.pid))
    yield "connector aborted", _abort(deals[0], lambda: provider.process.pid if _reading(provider) else 0)
    provider.process.kill()
    provider.process.start()
    yield "again", len(acts.query(deals[0], QUERY).answer.rows)
    data = provider.folder / "data"
    for file, broken in (("people.csv", f"other,columns\n{WORD},1\n"), ("people.parquet", f"PAR1{WORD}" * 50)):
        (data / file).write_text(broken)
    with closing(sqlite3.connect(data / "people.db")) as database, database:
        database.execute("ALTER TABLE people RENAME COLUMN income TO salary")
    ends = []
    for deal in deals:
        with suppress(HefuError):
            ends.append(acts.query(deal, QUERY).computation.state)
    yield "broken", ends


def _publish(provider) -> list[str]:  # type: ignore[no-untyped-def]
    from hefu.envelope import new_id
    from hefu_space.data import Extract
    from hefu_space.products import Column, Product, Terms

    people = [(f"{WORD}-{n:05}", ("north", "south")[n % 2], str(n % 1000), f"{WORD} said") for n in range(ROWS)]
    extract = Extract(("person", "region", "income", "note"), tuple(people))
    terms = Terms("open", "open-statistics", "1", "50", 100, 1, ("region", "income"))
    columns = (
        Column("person", "text"),
        Column("region", "text", categories=("north", "south")),
        Column("income", "integer", "", ("0", "1000", "1")),
    )
    texts = ("People", "人口")
    made = Product(
        provider.name, "", extract, texts, texts, ("people",), columns, terms, "person", lifetime=("100", 1000)
    )
    ids = []
    for path in _write(extract, provider.folder / "data"):
        product = replace(made, source=f"people-{path.suffix[1:]}").named(new_id("prd"))
        place = (f"sqlite:///{path}", "--option", "table=people") if path.suffix == ".db" else (str(path),)
        added = provider.ask("source", "add", product.source, *place)
        if not added.ok:
            raise RuntimeError(f"{added.error} {provider.process.log.read_text()[-1500:]}")
        file = provider.folder / f"{product.source}.yaml"
        file.write_text(product.text(), "utf-8")
        provider.do("product", "publish", str(file))
        ids.append(product.id)
    return ids


def _write(extract, folder: Path) -> list[Path]:  # type: ignore[no-untyped-def]
    import pyarrow as pa
    from pyarrow import parquet

    csv, columnar, database = (folder / name for name in SOURCES)
    extract.write(csv)
    table = pa.table({name: list(extract.column(name)) for name in extract.headings})
    parquet.write_table(table, columnar, compression="none", use_dictionary=False)
    with closing(sqlite3.connect(database)) as made, made:
        made.execute("CREATE TABLE people (person TEXT, region TEXT, income INTEGER, note TEXT)")
        made.executemany("INSERT INTO people VALUES (?, ?, ?, ?)", extract.rows)
    return [csv, columnar, database]


def _abort(deal, victim: Callable[[], int]) -> bool:  # type: ignore[no-untyped-def]
    """Send SIGABRT to a process that has a snapshot open, as a failed assertion in a library would."""
    from tests.journeys import acts

    for _ in range(20):
        asking = threading.Thread(target=_try, args=(acts.query, deal, QUERY), daemon=True)
        asking.start()
        while asking.is_alive():
            process = victim()
            if process:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGABRT)
                    return True
            time.sleep(0.001)
        asking.join()
    return False


def _try(act, *words: object) -> None:  # type: ignore[no-untyped-def]
    from hefu.errors import HefuError

    with suppress(HefuError):
        act(*words)


def _worker_of(connector: int) -> int:
    children = Path(f"/proc/{connector}/task").glob("*/children")
    for child in (int(each) for path in children for each in path.read_text().split()):
        if _holds_snapshot(child):
            return child
    return 0


def _reading(provider) -> bool:  # type: ignore[no-untyped-def]
    return _holds_snapshot(provider.process.pid)


def _holds_snapshot(process: int) -> bool:
    with suppress(OSError):
        return any("hefu-snapshot" in os.readlink(each) for each in Path(f"/proc/{process}/fd").iterdir())
    return False


def _is_source(path: Path) -> bool:
    return path.parent.name == "data" and path.name.startswith(SOURCES)


def _plant_control() -> None:
    """A file that is removed at once, a packet, a process."""
    gone = Path("/tmp/control")
    gone.write_text(CONTROL)
    time.sleep(0.1)
    gone.unlink()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"..." + CONTROL.encode(), ("127.0.0.1", 9))
    subprocess.run(["sleep", "0.5"], env={"CONTROL": CONTROL}, check=True)
    # Its memory alone has the word whole; a dump of it lies in this folder, if this kernel puts dumps in folders.
    spoken = "import os, sys; word = sys.stdin.read() + os.environ['REST']; os.abort()"
    aborted = {"env": {"REST": CONTROL[5:]}, "input": CONTROL[:5].encode(), "cwd": "/tmp"}
    subprocess.run([sys.executable, "-c", spoken], check=False, **aborted)


def _copied(space, events: dict[str, object]) -> dict[str, object]:  # type: ignore[no-untyped-def]
    """What a thief of the disk has of broker and connectors: their folders, without the secrets and the sources."""
    copy = Path("/tmp/thief")
    for name in ("broker", "hospital-a", "institute"):
        shutil.copytree(
            space.folder / name, copy / name, ignore=lambda folder, names: [n for n in names if n in ("data",)]
        )
    for file in copy.rglob("*.yaml"):  # what its author wrote to be published
        file.unlink()
    shutil.rmtree(space.secrets)
    words = [*events["agreements"], *events["computations"], "computation.", "epsilon", "income"]  # type: ignore[misc]
    files = [each for each in copy.rglob("*") if each.is_file()]
    readable = sorted(
        f"{word} in {path.relative_to(copy)}"
        for path in files
        for word in words
        if watching.holds(path.read_bytes(), [word.encode()])
    )
    opened = [
        subprocess.run(_serve(copy / name, name), capture_output=True, check=False) for name in ("broker", "institute")
    ]
    databases = [each for each in files if each.suffix == ".db"]
    return {
        "readable": readable,
        "started": [each.returncode == 0 or b"secret" not in each.stderr for each in opened],
        "databases": len(databases),
        "keys in the clear": [str(each) for each in copy.rglob("*.key") if b"ENCRYPTED" not in each.read_bytes()],
    }


def _serve(folder: Path, name: str) -> list[str]:
    group = "broker" if name == "broker" else "connector"
    return [sys.executable, "-m", "hefu", group, "serve", "--dir", str(folder)]


if __name__ == "__main__":
    main()
