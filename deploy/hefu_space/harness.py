"""Processes of a space on one machine: started with their real commands, awaited, stopped, killed, restarted.

The demo, the journeys and the benchmarks stand on this. Nothing here reaches into a process: everything goes through
its command line, its control socket or its files, as it would on separate machines.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from hefu.errors import Unavailable

Document = Mapping[str, Any]
START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_LAST = 2000  # bytes of what a command wrote before it failed
_LOOK_SECONDS = 0.1


def hefu(*words: str) -> list[str]:
    """The command line of ``hefu`` under this very interpreter."""
    return [sys.executable, "-m", "hefu", *words]


@dataclass(slots=True)
class Process:
    """A server of the space.

    Attributes:
        words: after ``hefu``, for example ``("broker", "serve", "--dir", …)``.
        log: receives its standard error and output, over all its lives.
        environment: added to this process's own.
        host: words before the command that bring it to another host, such as ``("nsenter", "--target", "7", "--net")``.
        ready: what it said when it was ready: the first JSON document on its standard output.
    """

    name: str
    words: Sequence[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    host: Sequence[str] = ()
    ready: Document = field(default_factory=dict)
    _running: subprocess.Popen[bytes] | None = None
    _reader: threading.Thread | None = None
    _said: threading.Event = field(default_factory=threading.Event)

    def start(self, **environment: str) -> Process:
        """Start it and return when it is ready.

        Args:
            environment: for this life only, for example a fault to come.

        Raises:
            Unavailable: it ended before, or took longer than `START_SECONDS`.
        """
        self.begin(**environment)
        return self.wait_ready()

    def begin(self, **environment: str) -> None:
        """Start it without waiting; several begin faster together."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._said = threading.Event()
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                [*self.host, *hefu(*self.words)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self.environment, **environment},
                start_new_session=True,  # Ctrl-C reaches the parent alone, which stops everything in order
            )
        self._reader = threading.Thread(target=self._read, args=(self._running.stdout,), daemon=True)
        self._reader.start()

    def wait_ready(self) -> Process:
        """Return when it is ready; raises as `start`."""
        said = self._said.wait(START_SECONDS)
        if not said or not self.ready:
            self.kill()
            raise Unavailable("space.not_started", name=self.name, log=str(self.log))
        return self

    @property
    def pid(self) -> int:
        """Its process id; 0 before the first start."""
        return self._running.pid if self._running else 0

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._running is not None and self._running.poll() is None

    def stop(self) -> None:
        """Ask it to end, wait, and kill it if it does not."""
        if self._running is None:
            return
        if self.alive:
            self._running.send_signal(signal.SIGTERM)
        try:
            self._running.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._running.kill()
        self._gone()

    def kill(self) -> None:
        """End it at once, as a power cut would: SIGKILL."""
        if self._running is not None:
            self._running.kill()
            self._gone()

    def wait(self, seconds: float = _STOP_SECONDS) -> int:
        """Wait until it ended by itself; its exit code, negative for a signal.

        Raises:
            Unavailable: it still runs.
        """
        if self._running is None:
            return 0
        try:
            code = self._running.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Unavailable("space.still_running", name=self.name) from None
        self._gone()
        return code

    def _gone(self) -> None:
        if self._running is not None:
            self._running.wait()
        if self._reader is not None:
            self._reader.join(_STOP_SECONDS)
        self.ready = {}

    def _read(self, lines: IO[bytes] | None) -> None:
        if lines is None:
            return
        text = b""
        with lines, self.log.open("ab") as log:
            for line in lines:
                log.write(line)
                log.flush()
                if not self.ready:
                    text += line
                    self.ready = _ready(text)
                    if self.ready:
                        self._said.set()
        self._said.set()


@dataclass(frozen=True, slots=True)
class Answer:
    """What one command said: its exit code, its JSON document, and its error where it failed; where that is none, the
    last of what it wrote besides."""

    words: tuple[str, ...]
    code: int
    document: Any
    error: Document
    besides: str = ""

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return self.code == 0


def run(
    words: Sequence[str],
    environment: Mapping[str, str] | None = None,
    seconds: float = 120.0,
    host: Sequence[str] = (),
) -> Answer:
    """Run one ``hefu … --json`` to its end, on another host where `host` leads to one."""
    done = subprocess.run(
        [*host, *hefu(*words, "--json")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ, **(environment or {})},
        timeout=seconds,
        check=False,
    )
    error = _document(done.stderr) or {}
    besides = "" if error else done.stderr.decode("utf-8", "replace")[-_LAST:]
    return Answer(tuple(words), done.returncode, _document(done.stdout), error, besides)


def must(words: Sequence[str], environment: Mapping[str, str] | None = None, host: Sequence[str] = ()) -> Any:
    """As `run`; the document.

    Raises:
        Unavailable: the command failed; its own error is in the message's reasons.
    """
    answer = run(words, environment, host=host)
    if not answer.ok:
        raise failed(answer)
    return answer.document


def failed(answer: Answer) -> Unavailable:
    """What to raise where a command did not do what it was asked: its own error is in the reasons."""
    reasons = [str(answer.error.get("message", answer.besides)), *answer.error.get("reasons", ())]
    fault = Unavailable("space.command_failed", reasons=reasons, command=" ".join(("hefu", *answer.words[:3])))
    fault.add_note("\n".join(reasons))  # so that a traceback says it, too
    return fault


def until(holds: Callable[[], bool], seconds: float) -> bool:
    """Look again and again at what another process does; whether it held in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _ready(text: bytes) -> Document:
    """The document that says so, whether on one line or on several."""
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) and document.get("ready") else {}


def _document(text: bytes) -> Any:
    """The JSON document in a command's output; progress may stand before it."""
    start = min((at for at in (text.find(b"{\n"), text.find(b"[\n"), text.find(b"{}")) if at >= 0), default=-1)
    if start < 0:
        return None
    try:
        return json.loads(text[start:])
    except ValueError:
        return None
