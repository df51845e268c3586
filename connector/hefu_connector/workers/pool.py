"""A pool of disposable processes: spawned ahead of need, used once, killed whatever happens.

A worker is a new program, never a fork of this one, with an empty environment and pipes as its only contact. It is
handed its table as an open file, so that it cannot name anybody else's. It
imports the engines while it waits, so that nobody waits for that. It is killed after its one answer; one that hangs,
dies or talks nonsense is an opaque `Unavailable`.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from hefu.canonical import Json, Object
from hefu.errors import Unavailable
from hefu.running import telemetry

from hefu_connector.ports import Table
from hefu_connector.workers import frames
from hefu_connector.workers.heavy import HEAVY

log = logging.getLogger("hefu.workers")
PROGRAM = (sys.executable, "-I", "-m", "hefu_connector.workers.main")
HEAVY_PROGRAM = (sys.executable, "-I", "-m", "hefu_connector.workers.heavy")
Take = Callable[[bytes], object]
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    # Fewer arenas and no reservations: the address space is limited.
    "MALLOC_ARENA_MAX": "2",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
_START_SECONDS = 60.0
_SECONDS_A_MEGABYTE = 4  # of processor time, more than ten times what laying out takes
_NICE = 10
_ALONE = 0.5  # seconds in which no worker is started beside a new computation, unless somebody would wait for one
_MOST_PATIENCE = 30.0  # seconds between attempts to start a worker, after failures


@dataclass(frozen=True, slots=True)
class Limits:
    """What a pool and each of its workers may take.

    Attributes:
        ready: workers kept waiting.
        most: computations at once; more are shed.
        memory: address space of one worker, bytes.
        seconds: processor time of one worker.
    """

    ready: int = 2
    most: int = 4
    memory: int = 2 << 30
    seconds: int = 600


@dataclass(slots=True, eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    door: socket.socket
    answers: int
    hello: Object = field(default_factory=dict)

    def kill(self) -> None:
        """End the process and all it started. May be called from any thread, again and again."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def bury(self) -> None:
        """Kill and forget; called once, by the owner."""
        self.kill()
        self.process.wait()
        for end in (self.door, self.process.stdout):
            if end is not None:
                with suppress(OSError):
                    end.close()


@dataclass(slots=True, eq=False)
class _Job:
    worker: _Worker | None = None
    ended: str = ""  # why it was killed: the code of an error


class Pool:
    """Workers for engines. An adapter of `hefu_connector.ports.Workers`.

    May be used from any number of threads. `close` it: a `with` statement does.
    """

    def __init__(
        self,
        spool: Path | None,
        limits: Limits | None = None,
        program: Sequence[str] = PROGRAM,
        more: Sequence[Path] = (),
        heavy: Sequence[str] = HEAVY_PROGRAM,
    ) -> None:
        """Args:
        spool: the folder of tables, of which workers may read what they are handed; None keeps tables in memory.
        program: what is started; tests start others.
        more: folders with other tables that workers are handed.
        heavy: what is started for the engines of `heavy.HEAVY`.
        """
        folders = [each for each in (spool, *more) if each is not None]
        for each in folders:
            # It must be there before a worker starts, or the worker is bound to what is not it.
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folders = [each.resolve() for each in folders]
        self._limits = limits or Limits()
        self._program = tuple(program)
        self._heavy = tuple(heavy)
        self._change = threading.Condition()
        self._ready: deque[_Worker] = deque()
        self._jobs: dict[str, _Job] = {}
        self._running = 0
        self._closed = False
        self._failing = False
        self._young: set[_Worker] = set()
        self._dying: set[_Worker] = set()
        self._taken: deque[float] = deque()  # when those were taken in whose place none was started yet
        self._asking = 0
        self._patience = 0.0
        # One thread that starts all: a worker dies with the thread that started it. It does not wait for them.
        self._starter = threading.Thread(target=self._keep_ready, name="hefu-workers", daemon=True)
        self._starter.start()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(
        self, engine: str, parameters: Object, table: Table, *, job: str, deadline: float, spare: int = 0
    ) -> Object:
        """Run one engine on one table in a fresh process and return its output. See `Workers.run`."""
        return self._run(engine, parameters, table, job, deadline, spare, None)

    def make(
        self,
        engine: str,
        parameters: Object,
        table: Table,
        take: Callable[[bytes], object],
        *,
        job: str,
        deadline: float,
    ) -> Object:
        """Run an engine that makes a file; as `run`, in a worker of its own with processor time for the table's size.

        The calling thread starts the worker, and so must live until this returns.

        Args:
            take: gets the pieces of the file, in this thread; what it raises ends the run.
        """
        return self._run(engine, parameters, table, job, deadline, 0, take)

    def _run(
        self, engine: str, parameters: Object, table: Table, job: str, deadline: float, spare: int, take: Take | None
    ) -> Object:
        ends = time.monotonic() + deadline
        record = self._admit(job)
        timer = threading.Timer(deadline, self._end, (record, "worker.deadline"))
        timer.daemon = True
        timer.start()
        try:
            with telemetry.step("worker.wait"):
                spare = min(spare, self._limits.ready - 1)
                worker = self._take(record, ends, spare) if take is None else self._hire(record, engine, table)
            with telemetry.step("worker.run", engine=engine):
                answer = self._exchange(worker, record, _request(engine, parameters, table), table, take)
            if take is None:
                self._part_from(worker, record)
            return answer
        finally:
            timer.cancel()
            with self._change:
                self._jobs.pop(job, None)
                self._running -= 1
                worker_, record.worker = record.worker, None
            if worker_ is not None:
                worker_.bury()

    def _part_from(self, worker: _Worker, record: _Job) -> None:
        """Kill a worker that has answered, and let nobody wait until the kernel has taken its memory apart.

        INVARIANT: whoever has the answer knows that its worker runs nothing any more.
        """
        worker.kill()
        with self._change:
            record.worker = None
            self._dying.add(worker)
        threading.Thread(target=self._bury, args=(worker,), name="hefu-worker", daemon=True).start()

    def _bury(self, worker: _Worker) -> None:
        worker.bury()
        with self._change:
            self._dying.discard(worker)
            self._change.notify_all()

    def cancel(self, job: str) -> None:
        """Kill the process of a job, if there is one."""
        with self._change:
            record = self._jobs.get(job)
        if record is not None:
            self._end(record, "cancelled")

    def hello(self, timeout: float = _START_SECONDS) -> Object:
        """What a waiting worker said of itself: its engines, and what network and files it still sees.

        Raises:
            Unavailable: none became ready in time.
        """
        with self._change:
            if not self._change.wait_for(lambda: self._ready or self._closed, timeout) or self._closed:
                raise Unavailable("worker.failed")
            return self._ready[0].hello

    @property
    def ready(self) -> int:
        """How many workers wait for work."""
        return len(self._ready)

    @property
    def failing(self) -> bool:
        """Whether the last attempt to start a worker failed."""
        return self._failing

    def close(self) -> None:
        """Kill all processes. Whoever waits for one is told; safe to call twice."""
        with self._change:
            self._closed = True
            jobs, waiting, young = list(self._jobs.values()), list(self._ready), list(self._young)
            self._ready.clear()
            self._change.notify_all()
        for record in jobs:
            self._end(record, "worker.closed")
        for worker in waiting:
            worker.bury()
        for worker in young:
            worker.kill()  # whoever greets it buries it
        self._starter.join(_START_SECONDS)
        with self._change:
            self._change.wait_for(lambda: not self._young and not self._dying, _START_SECONDS)

    def _admit(self, job: str) -> _Job:
        with self._change:
            if self._closed:
                raise Unavailable("worker.closed")
            if self._running >= self._limits.most or job in self._jobs:
                raise Unavailable("worker.busy")
            self._running += 1
            record = self._jobs[job] = _Job()
            return record

    def _take(self, record: _Job, ends: float, spare: int) -> _Worker:
        with self._change:
            left = max(0.0, ends - time.monotonic())
            self._asking += 1
            self._change.notify_all()
            self._change.wait_for(lambda: len(self._ready) > spare or record.ended, left)
            self._asking -= 1
            if record.ended or not self._ready:
                _fail(record.ended or "worker.deadline")
            worker = record.worker = self._ready.popleft()
            self._taken.append(time.monotonic())
            self._change.notify_all()
            return worker

    def _hire(self, record: _Job, engine: str, table: Table) -> _Worker:
        size = sum(each.size for each in (table, *table.beside))
        heavy = engine in HEAVY  # somebody waits for those; a table is laid out in the background
        program = self._heavy if heavy else self._program
        worker = self._start(self._limits.seconds + (size >> 20) * _SECONDS_A_MEGABYTE, program)
        if worker is None:
            _fail("worker.failed")
        with suppress(OSError):  # it is in nobody's way
            os.setpriority(os.PRIO_PROCESS, worker.process.pid, 0 if heavy else _NICE)
        with self._change:
            record.worker = worker
            if record.ended:
                worker.kill()
        try:
            worker.hello = frames.receive(worker.answers)
        except frames.Closed:
            with self._change:
                _fail(record.ended or "worker.failed")
        return worker

    def _exchange(self, worker: _Worker, record: _Job, request: Object, table: Table, take: Take | None) -> Object:
        try:
            frames.send(worker.door.fileno(), request)
            frames.hand(worker.door, table.path, *(each.path for each in table.beside))
            if take is not None:
                for piece in frames.pieces(worker.answers):
                    take(piece)
            answer = frames.receive(worker.answers)
        except frames.Closed:
            with self._change:
                _fail(record.ended or "worker.failed")
        values = answer.get("values")
        if set(answer) == {"moved"}:
            _fail("source.moved")
        if set(answer) != {"values"} or not isinstance(values, dict):
            _fail("worker.failed")
        return values

    def _end(self, record: _Job, why: str) -> None:
        with self._change:
            record.ended = record.ended or why
            if record.worker is not None:
                record.worker.kill()
            self._change.notify_all()

    def _keep_ready(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._closed, self._patience)
                while not self._closed and (rest := self._rest()) > 0:
                    self._change.wait(rest if rest < math.inf else None)
                if self._closed:
                    return
                if self._taken:
                    self._taken.popleft()
            worker = self._start(self._limits.seconds)
            if worker is None:
                self._note(failed=True)
                continue
            with self._change:
                self._young.add(worker)
            threading.Thread(target=self._greet, args=(worker,), name="hefu-worker", daemon=True).start()

    def _rest(self) -> float:
        """Seconds until the next worker is to be started.

        Starting one takes a core for half a second, which a computation that has just begun needs itself.
        """
        if not self._wants_more():
            return math.inf
        if self._asking or not self._ready or not self._taken:
            return 0.0
        return max(0.0, self._taken[0] + _ALONE - time.monotonic())

    def _wants_more(self) -> bool:
        most = 1 if self._patience else self._limits.ready  # after a failure, one at a time
        return len(self._young) < most and len(self._ready) + len(self._young) < self._limits.ready

    def _note(self, *, failed: bool) -> None:
        if failed and not self._closed:
            log.error("a worker could not be started")
        with self._change:
            self._failing = failed
            self._patience = min(_MOST_PATIENCE, 2 * self._patience + 0.5) if failed else 0.0
            self._change.notify_all()

    def _start(self, seconds: int, program: Sequence[str] = ()) -> _Worker | None:
        limits = (str(self._limits.memory), str(seconds), str(os.getpid()), *map(str, self._folders))
        ours, theirs = socket.socketpair()
        try:
            process = subprocess.Popen(
                [*(program or self._program), *limits],
                stdin=theirs.fileno(),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        except OSError:
            ours.close()
            return None
        finally:
            theirs.close()
        if process.stdout is None:
            raise AssertionError("a pipe was asked for")
        return _Worker(process, ours, process.stdout.fileno())

    def _greet(self, worker: _Worker) -> None:
        """Wait for a new worker's hello, in a thread of its own."""
        timer = threading.Timer(_START_SECONDS, worker.kill)
        timer.daemon = True
        timer.start()
        try:
            worker.hello = frames.receive(worker.answers)
            failed = False
        except frames.Closed:
            failed = True
        timer.cancel()
        with self._change:
            welcome = not failed and not self._closed
            if welcome:
                self._ready.append(worker)
        if not welcome:
            worker.bury()
        self._note(failed=failed)
        with self._change:
            self._young.discard(worker)
            self._change.notify_all()


def _request(engine: str, parameters: Object, table: Table) -> Object:
    beside: list[Json] = [{"form": each.form, "layout": each.layout} for each in table.beside]
    return {
        "engine": engine,
        "parameters": parameters,
        "form": table.form,
        "layout": table.layout,
        **({"beside": beside} if beside else {}),
    }


def _fail(code: str) -> NoReturn:
    raise Unavailable(code)
