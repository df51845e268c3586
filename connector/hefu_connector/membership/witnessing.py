"""A connector as a witness: it cosigns the checkpoints of its space's log, and remembers them in its own store.

Of several processes the one that leads does it; what another still writes is refused by the store's fence.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import grpc
from hefu.errors import Conflict, HefuError, NotFound, Unavailable
from hefu.times import Clock
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import Note, VerifierKey
from hefu.tlog.witness import NotCosigned, Refusal, Witness
from hefu.wire.witnessing import FILE, Candidates, Following, WitnessKey

from hefu_connector.shelves import Mark, Marks

log = logging.getLogger("hefu.witness")
_WAIT = 5.0  # seconds that the broker may hold a question: an ending connector waits no longer
_NEWEST, _EVIDENCE = "witness/newest/", "witness/evidence/"
_MOST_EVIDENCE = 100


def own_key(keys: Path, participant: str, space: str, passphrase: bytes | None) -> WitnessKey:
    """This connector's key as a witness, drawn at the first use; it serves for nothing else.

    Raises:
        Malformed, Untrusted: as `hefu.keeping.keys.read_key`.
    """
    name = f"{participant}.{space}/witness"
    if not (keys / FILE).exists():
        return WitnessKey.make(keys, name, passphrase)
    return WitnessKey.read(keys, name, passphrase)


class MarksMemory:
    """`hefu.tlog.witness.Memory` among the marks of a connector's store.

    Args:
        marks: only the process that leads may write.
    """

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._lock = threading.Lock()

    def newest(self, origin: str) -> str | None:
        """As in the port."""
        kept = self._marks.find(_NEWEST + _name(origin))
        return kept.text if kept is not None else None

    def replace(self, origin: str, before: str | None, after: str) -> bool:
        """As in the port."""
        with self._lock:
            if self.newest(origin) != before:
                return False
            try:
                self._marks.advance(Mark(_NEWEST + _name(origin), Checkpoint.parse(Note.parse(after).text).size, after))
            except Conflict:  # never back, whoever asks
                return False
            return True

    def evidence(self, origin: str, request: str) -> None:
        """As in the port."""
        if len(self._marks.all(_EVIDENCE)) < _MOST_EVIDENCE:
            name = hashlib.sha256(request.encode()).hexdigest()[:32]
            self._marks.advance(Mark(f"{_EVIDENCE}{name}", 1, request))


class Cosigning:
    """The step that is repeated: ask the broker what to cosign, cosign it, hand it in."""

    def __init__(
        self,
        key: WitnessKey,
        log_key: VerifierKey,
        memory: MarksMemory,
        channel: Callable[[], grpc.Channel],
        clock: Clock,
    ) -> None:
        witness = Witness({log_key.name: [log_key]}, [(key.public, key.sign)], memory, clock.now)
        self._following = Following(witness, key.public, memory, log_key, Candidates(channel))
        self._told = ""

    def step(self) -> None:
        """Ask once.

        Raises:
            Unavailable: the broker is away, or does not lead on from what was cosigned: it is asked again later.
        """
        try:
            self._following.step(_WAIT)
            self._told = ""
        except NotFound as fault:
            raise self._later(fault) from None
        except NotCosigned as fault:
            if fault.refusal is not Refusal.CONFLICT:
                raise self._later(fault) from None

    def _later(self, fault: HefuError) -> Unavailable:
        if fault.code != self._told:
            log.warning("this witness does not cosign: %s %s", fault.code, fault.public())
            self._told = fault.code
        return Unavailable("witness.waits", detail=fault.code)


def _name(origin: str) -> str:
    return hashlib.sha256(origin.encode()).hexdigest()
