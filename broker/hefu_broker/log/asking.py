"""Asking witnesses over HTTP, as C2SP tlog-witness says: each by itself, again and again until it answered.

A witness that is slow, away or hostile costs its own thread some seconds and nobody anything else: sizes and times are
limited, nothing is followed elsewhere, and what it answers is verified by `hefu_broker.log.witnesses`.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from hefu.errors import HefuError, Malformed, Untrusted
from hefu.tlog import checkpoint
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import VerifierKey
from hefu.tlog.policy import Known
from hefu.tlog.witness import Request
from hefu.wire import posting

from hefu_broker.log.witnesses import Witnesses

log = logging.getLogger("hefu.broker.witnesses")
SECONDS = 10.0  # for one question
_LOOK_SECONDS = 1.0
_AT_ONCE = 8
_FIRST_DELAY, _LONGEST_DELAY = 0.5, 30.0  # seconds before a witness that failed is asked again
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a witness answered: the status, and the body's first bytes."""

    status: int
    body: bytes

    @property
    def size(self) -> int | None:
        """Of the witness's newest checkpoint, where that is what it answered (409)."""
        match = _SIZE.fullmatch(self.body) if self.status == 409 else None
        return int(match[1]) if match else None


def post(url: str, request: Request, seconds: float = SECONDS) -> Answer:
    """Ask a witness to cosign.

    Raises:
        Malformed: the address is not one of HTTP.
        Unavailable: nobody answers there, or not as HTTP does.
    """
    place = urlsplit(url)
    if place.scheme not in ("http", "https") or not place.hostname:
        raise Malformed("witness.address", url=url[:200])
    kind = "text/plain; charset=utf-8"
    return Answer(
        *posting.post(
            url, str(request).encode(), kind, path="/add-checkpoint", seconds=seconds, away="witness.unreachable"
        )
    )


@dataclass(slots=True)
class _Turn:
    """How it goes with one witness. One thread at a time asks it."""

    old: int = 0
    due: float = 0.0
    delay: float = _FIRST_DELAY
    busy: bool = False
    told: str = ""


class Asking:
    """Asks the witnesses that have an address, in threads of its own, while this process leads.

    Args:
        key: the log's public key.
        leads: whether this process writes the log.
        ask: `post`; for tests.
    """

    def __init__(
        self,
        key: VerifierKey,
        witnesses: Witnesses,
        leads: Callable[[], bool],
        ask: Callable[[str, Request], Answer] = post,
    ) -> None:
        self._key = key
        self._witnesses = witnesses
        self._leads = leads
        self._ask = ask
        self._turns: dict[str, _Turn] = {}
        self._stopped = threading.Event()
        self._pool: ThreadPoolExecutor | None = None
        self._thread = threading.Thread(target=self._run, name="witnesses", daemon=True)

    def start(self) -> None:
        """Ask from now on."""
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="witness")
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; what is asked already is not waited for."""
        self._stopped.set()
        self._witnesses.changes.announce()
        if self._thread.is_alive():
            self._thread.join()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def check_start(self, kept: str, size: int) -> None:
        """Hold the database against what each reachable witness cosigned.

        Args:
            kept: the newest checkpoint that this broker signed.
            size: of the tree in the database.

        Raises:
            Untrusted: a witness cosigned a larger one: this database was restored from an old backup.
        """
        policy = self._witnesses.policy
        named = {name: each for name, each in policy.witnesses.items() if each.url} if policy else {}
        if not named:
            return
        with ThreadPoolExecutor(min(_AT_ONCE, len(named))) as pool:
            sizes = pool.map(lambda each: self._size(each, kept), named.values())
            for name, cosigned in zip(named, sizes, strict=True):
                if cosigned is not None and cosigned > size:
                    raise Untrusted("log.witnessed", witness=name, found=size, expected=cosigned)

    def _size(self, known: Known, kept: str) -> int | None:
        try:
            return self._ask(known.url, Request(0, (), kept)).size
        except HefuError as fault:
            log.warning("the witness %s is not asked at the start: %s", known.key.name, fault.code)
            return None

    def _run(self) -> None:
        while not self._stopped.is_set():
            mark = self._witnesses.changes.mark()
            try:
                self._look()
            except HefuError as fault:
                log.warning("witnesses cannot be asked now: %s", fault.code)
            self._witnesses.changes.wait(mark, self._stopped.is_set, _LOOK_SECONDS)

    def _look(self) -> None:
        policy = self._witnesses.policy
        note = self._witnesses.candidate() if policy is not None and self._leads() else None
        if policy is None or note is None or self._pool is None:
            return
        head, now = checkpoint.verify(note, self._key), time.monotonic()
        for name, known in policy.witnesses.items():
            turn = self._turns.setdefault(str(known.key), _Turn())
            if known.url and not turn.busy and turn.due <= now and self._witnesses.lacks(known, head):
                turn.busy = True
                self._pool.submit(self._one, name, known, turn, head, note)

    def _one(self, name: str, known: Known, turn: _Turn, head: Checkpoint, note: str) -> None:
        try:
            why = self._cosigned(known, turn, head, note)
        except HefuError as fault:
            why = fault.code
        finally:
            turn.busy = False
        if why:
            turn.due = time.monotonic() + turn.delay
            turn.delay = min(2 * turn.delay, _LONGEST_DELAY)
        else:
            turn.due, turn.delay = 0.0, _FIRST_DELAY
        if why != turn.told:
            log.log(logging.WARNING if why else logging.INFO, "witness %s: %s", name, why or "cosigns")
            turn.told = why
        self._witnesses.changes.announce()

    def _cosigned(self, known: Known, turn: _Turn, head: Checkpoint, note: str) -> str:
        """Ask once, and once more from where the witness says it is; empty when it cosigned, else why not."""
        for _ in range(2):
            answer = self._ask(known.url, Request(turn.old, self._witnesses.proof(turn.old, head), note))
            if answer.status == 200:
                text = note.rpartition("\n\n")[0] + "\n\n" + answer.body.decode("utf-8", "replace")
                turn.old = head.size
                return "" if self._witnesses.add(text) else "witness.unlisted"
            if answer.size is None:
                return f"HTTP {answer.status}"
            if answer.size > head.size:
                return "log.witnessed"
            turn.old = answer.size
        return "HTTP 409"
