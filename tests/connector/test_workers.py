"""The pool: a worker serves once, dies alone, tells nothing, and reaches nothing."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hefu.canonical import Object
from hefu.errors import Unavailable
from hefu_connector.engines.statistics import Statistics
from hefu_connector.ports import Table
from hefu_connector.sources import spool as spools
from hefu_connector.workers.main import ENGINES, MAKERS, SELDOM
from hefu_connector.workers.pool import Limits, Pool, _Worker

from tests.connector.engine_world import plan, prepare, write

# Engines that misbehave, in a worker that is ours in all else.
SCRIPT = """
import ctypes, os, signal, socket, sys
from hefu_connector.workers import frames, main
requests, answers, reached = main.confine(sys.argv[1:])

def who(parameters, path, form, layout):
    print("a library talks")
    os.write(2, b"and writes")
    return {"pid": os.getpid(), "environment": sorted(os.environ)}
def bomb(parameters, path, form, layout):
    held = []
    while True:
        held.append(bytearray(16 << 20))
def hang(parameters, path, form, layout):
    signal.pause()
def spin(parameters, path, form, layout):
    while True: pass
def killed(parameters, path, form, layout):
    os.kill(os.getpid(), signal.SIGKILL)
def fault(parameters, path, form, layout):
    ctypes.string_at(0)
def secret(parameters, path, form, layout):
    raise ValueError("row 17 of alice is 4711")
def garbage(parameters, path, form, layout):
    os.write(answers, bytes.fromhex(parameters["bytes"]))
    signal.pause()
def reach(parameters, path, form, layout):
    found = {}
    for name, attempt in {
        "network": lambda: socket.create_connection(("127.0.0.1", parameters["port"]), 2),
        "read": lambda: open(parameters["other"]),
        "write": lambda: os.write(os.open(str(path) + "-new", os.O_CREAT | os.O_WRONLY), b"x"),
        "table": lambda: open(path),
        "another": lambda: open(parameters["another"]),
    }.items():
        try:
            attempt()
            found[name] = True
        except OSError:
            found[name] = False
    return found
def stays(parameters, path, form, layout):
    frames.send(answers, {"values": {"pid": os.getpid()}})
    while True: pass
def made(parameters, path, form, layout):
    import resource
    frames.Sink(answers).end()
    return {"pid": os.getpid(), "seconds": resource.getrlimit(resource.RLIMIT_CPU)[1], "nice": os.nice(0)}
engines = {each.__name__: each for each in (who, bomb, hang, spin, killed, fault, secret, garbage, reach, stays, made)}
main.serve(engines, requests, answers, reached)
"""
PROGRAM = (sys.executable, "-I", "-c", SCRIPT)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "table").write_bytes(b"")
    return tmp_path / "spool"


@pytest.fixture
def pool(spool: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    monkeypatch.setenv("HEFU_SECRET", "4711")
    with Pool(spool, Limits(ready=1, most=2, memory=512 << 20), PROGRAM) as made:
        yield made


def ask(
    pool: Pool, engine: str, parameters: Object | None = None, *, job: str = "job", deadline: float = 30.0
) -> Object:
    table = Table(pool._folders[0] / "table", "parquet", "sha256:", 0)
    return pool.run(engine, parameters or {}, table, job=job, deadline=deadline)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_worker_serves_once_and_is_gone(pool: Pool) -> None:
    pids = [ask(pool, "who")["pid"] for _ in range(3)]
    assert len(set(pids)) == 3
    assert are_buried(pool, pids)


def are_buried(pool: Pool, pids: Sequence[object]) -> bool:
    """Nobody waits for the kernel to take a worker apart that has answered and is killed."""
    with pool._change:
        assert pool._change.wait_for(lambda: not pool._dying, 10)
    return all(isinstance(pid, int) and is_gone(pid) for pid in pids)


def test_a_worker_that_goes_on_after_its_answer_is_killed_before_anybody_has_it(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int | None] = []
    bury = _Worker.bury

    def noticed(worker: _Worker) -> None:
        told.append(worker.process.wait())
        bury(worker)

    monkeypatch.setattr(_Worker, "bury", noticed)
    pids = [ask(pool, "stays")["pid"] for _ in range(2)]
    assert are_buried(pool, pids)
    assert told == [-signal.SIGKILL] * 2


def test_no_worker_is_started_beside_a_computation_that_has_just_begun_unless_somebody_would_wait(
    spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hefu_connector.workers.pool._ALONE", 3600.0)
    with Pool(spool, Limits(ready=2), PROGRAM) as pool:

        def wait_for(ready: int) -> bool:
            with pool._change:
                return pool._change.wait_for(lambda: pool.ready == ready and not pool._young, 20)

        assert wait_for(2)
        ask(pool, "who")
        assert wait_for(1)
        assert pool._rest() > 3000
        ask(pool, "who")  # the last one: whoever comes next would wait
        assert wait_for(2)
        thread, _ = in_background(pool, "long")
        assert wait_for(1)
        with pool._change:  # one who leaves a worker to others waits until there are two
            worker = pool._take(pool._admit("much"), time.monotonic() + 20, 1)
        worker.bury()
        pool.cancel("long")
        thread.join(10)


def test_a_worker_gets_nothing_of_our_environment(pool: Pool) -> None:
    environment = ask(pool, "who")["environment"]
    assert isinstance(environment, list)
    assert "LANG" in environment
    assert not {"HEFU_SECRET", "HOME", "PATH"} & set(map(str, environment))


@pytest.mark.parametrize("engine", ["bomb", "killed", "fault", "secret", "no such engine"])
def test_a_worker_that_dies_is_one_opaque_error_and_the_next_one_serves(pool: Pool, engine: str) -> None:
    with pytest.raises(Unavailable) as caught:
        ask(pool, engine)
    assert caught.value.code == "worker.failed"
    assert (caught.value.detail, caught.value.reasons, dict(caught.value.parameters)) == ("", (), {})
    assert caught.value.__cause__ is None
    assert "pid" in ask(pool, "who")


@pytest.mark.parametrize(
    "bytes_",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x05hello",
        b'\x00\x00\x00\x0c{"values":1}',
        b'\x00\x00\x00\x14{"values":{"a":1.5}}',
        b'\x00\x00\x00\x15{"values": {"a": 1}  }',
        b'\x00\x00\x00\x18{"other":1,"values":{}}  ',
        b"\x00\x00\x00\x02[]",
    ],
)
def test_garbage_is_no_answer(pool: Pool, bytes_: bytes) -> None:
    with pytest.raises(Unavailable) as caught:
        ask(pool, "garbage", {"bytes": bytes_.hex()})
    assert caught.value.code == "worker.failed"


@pytest.mark.parametrize("engine", ["hang", "spin"])
def test_a_worker_that_hangs_is_killed_at_its_deadline(pool: Pool, engine: str) -> None:
    pool.hello()
    begin = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        ask(pool, engine, deadline=0.3)
    assert caught.value.code == "worker.deadline"
    assert time.monotonic() - begin < 10
    assert "pid" in ask(pool, "who")


def test_who_makes_a_file_has_processor_time_for_its_size_and_ends_as_others_do(pool: Pool) -> None:
    small, large = (Table(pool._folders[0] / "table", "parquet", "sha256:", size) for size in (0, 2000 << 20))
    took = [pool.make("made", {}, table, bytes, job="lay", deadline=30) for table in (small, large)]
    assert [each["seconds"] for each in took] == [600, 600 + 8000]
    assert all(each["nice"] >= 10 for each in took)  # questions go before
    assert all(isinstance(each["pid"], int) and is_gone(each["pid"]) for each in took)
    for engine, deadline, code in (("killed", 30.0, "worker.failed"), ("hang", 3.0, "worker.deadline")):
        with pytest.raises(Unavailable) as caught:
            pool.make(engine, {}, small, bytes, job="lay", deadline=deadline)
        assert caught.value.code == code
    assert not pool._jobs


def in_background(pool: Pool, job: str) -> tuple[threading.Thread, list[str]]:
    codes: list[str] = []

    def go() -> None:
        try:
            ask(pool, "hang", job=job)
        except Unavailable as error:
            codes.append(error.code)

    thread = threading.Thread(target=go)
    thread.start()
    return thread, codes


def test_a_job_can_be_cancelled(pool: Pool) -> None:
    thread, codes = in_background(pool, "mine")
    pool.cancel("somebody else's")
    while thread.is_alive():
        pool.cancel("mine")
        thread.join(0.01)
    assert codes == ["cancelled"]


def test_more_than_the_most_is_shed(pool: Pool) -> None:
    waiting = [in_background(pool, name) for name in ("a", "b")]
    with pool._change:
        assert pool._change.wait_for(lambda: pool._running == 2, 10)
    with pytest.raises(Unavailable) as caught:
        ask(pool, "who")
    assert caught.value.code == "worker.busy"
    pool.close()
    for thread, codes in waiting:
        thread.join(10)
        assert codes == ["worker.closed"]
    with pytest.raises(Unavailable):
        ask(pool, "who")


def test_a_program_that_cannot_start_is_an_error_and_not_a_loop(spool: Path) -> None:
    with Pool(spool, Limits(ready=1), ("/nonexistent",)) as pool, pytest.raises(Unavailable):
        ask(pool, "who", deadline=0.3)
    with Pool(spool, Limits(ready=1), (sys.executable, "-c", "print('hello')")) as pool, pytest.raises(Unavailable):
        ask(pool, "who", deadline=0.3)


def test_a_worker_reaches_no_network_and_no_file_but_the_table(pool: Pool, tmp_path: Path) -> None:
    reached = pool.hello()
    other = tmp_path / "key"
    other.write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as server, spools.place(None) as snapshot:
        port = server.getsockname()[1]
        another = f"/proc/{os.getpid()}/fd/{snapshot.name}"
        found = ask(pool, "reach", {"port": port, "other": str(other), "another": another})
    assert found["table"] is True
    assert found["write"] is False
    # Where kernel or container deny namespaces or Landlock, the hello says so.
    assert found["network"] is (reached["network"] != "none")
    assert found["read"] is (reached["files"] != "few")
    assert found["another"] is (reached["files"] != "few"), "another job's snapshot"


def test_close_leaves_no_process(spool: Path) -> None:
    pool = Pool(spool, Limits(ready=2), PROGRAM)
    pool.hello()
    pids = [each.process.pid for each in pool._ready]
    pool.close()
    assert pids
    assert all(map(is_gone, pids))


def test_workers_of_a_killed_connector_die_with_it(spool: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from hefu_connector.workers.pool import Limits, Pool\n"
        "pool = Pool(Path(sys.argv[1]), Limits(ready=1), (sys.executable, '-I', '-c', sys.argv[2])); pool.hello()\n"
        "print(pool._ready[0].process.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(spool), SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as connector:
        assert connector.stdout is not None
        worker = os.pidfd_open(int(connector.stdout.readline()))
        connector.send_signal(signal.SIGKILL)
        readable, _, _ = select.select([worker], [], [], 10)
        os.close(worker)
    assert readable == [worker]


def test_a_real_worker_counts(spool: Path, tmp_path: Path) -> None:
    path = write(spool / "people", [{"person": f"p{index}", "region": "north"} for index in range(40)])
    prepared = prepare(plan(by=("region",)))
    with Pool(spool, Limits(ready=1)) as pool:
        hello = pool.hello()
        assert hello["engines"] == sorted({**ENGINES, **SELDOM, **MAKERS})
        output = pool.run("statistics", prepared.parameters, Table(path, "parquet", "", 0), job="j", deadline=60)
        assert [row[1] for row in Statistics().read(output, prepared).rows] == ["40", "0", "0"]
        moved = Table(spool / "table", "parquet", "", 0)
        with pytest.raises(Unavailable) as caught:
            pool.run("statistics", prepared.parameters, moved, job="j", deadline=60)
    assert caught.value.code == "source.moved"


def test_workers_start_beside_each_other_and_one_is_left_to_others(spool: Path, tmp_path: Path) -> None:
    """Two that each wait for the other's start would never say hello one after the other."""
    program = (
        "import os, sys, time\n"
        f"place = {str(tmp_path)!r}\n"
        "open(os.path.join(place, str(os.getpid())), 'w').close()\n"
        "end = time.monotonic() + 20\n"
        "while len([x for x in os.listdir(place) if x.isdigit()]) < 2 and time.monotonic() < end: time.sleep(0.01)\n"
        "sys.stdout.buffer.write(b'\\x00\\x00\\x00\\x0b{\"hello\":1}'); sys.stdout.flush(); time.sleep(60)\n"
    )
    with Pool(spool, Limits(ready=2, most=2), (sys.executable, "-c", program)) as pool:
        with pool._change:
            assert pool._change.wait_for(lambda: pool.ready == 2, 15)
        record = pool._admit("much")
        worker = pool._take(record, time.monotonic() + 10, 1)
        other = pool._take(pool._admit("other"), time.monotonic() + 10, 0)
        assert worker is not other
        worker.bury()
        other.bury()
