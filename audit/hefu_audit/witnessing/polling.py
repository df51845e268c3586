"""A witness behind a firewall: it asks the broker for checkpoints with an auditor's certificate, again and again."""

from __future__ import annotations

import logging
import threading

from hefu.errors import Conflict, HefuError, NotFound, Refused
from hefu.space import SpaceFile
from hefu.times import Clock
from hefu.tlog.note import VerifierKey
from hefu.tlog.witness import Memory, Witness
from hefu.wire.witnessing import WAIT, Candidates, Following

from hefu_audit.clients.broker import connected
from hefu_audit.home import Home

log = logging.getLogger("hefu.witness")
_A_CONNECTION = 90  # questions, then a new connection with a certificate that is still valid
_SHORTEST, _LONGEST = 0.5, 30.0  # seconds before it is tried again


class Polling:
    """Asks from `start` to `stop`, in a thread of its own.

    Args:
        auditor: an enrolled auditor's directory: its certificate opens the broker's door.
        key: this witness's public key.
        wait: seconds that the broker may hold a question.
    """

    def __init__(
        self, auditor: Home, witness: Witness, key: VerifierKey, memory: Memory, clock: Clock, wait: float = WAIT
    ) -> None:
        self._auditor = auditor
        self._space: SpaceFile = auditor.space()
        self._witness = witness
        self._key = key
        self._memory = memory
        self._clock = clock
        self._wait = wait
        self._delay = _SHORTEST
        self._told = ""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)

    def start(self) -> None:
        """Ask from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; a question that the broker holds is not waited for."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._connection()
            except HefuError as fault:
                self._tell(fault)
                self._stopped.wait(self._delay)
                self._delay = min(2 * self._delay, _LONGEST)

    def _connection(self) -> None:
        with connected(self._auditor, self._space, self._clock) as broker:
            candidates = Candidates(lambda: broker.channel)
            log_key = VerifierKey.parse(self._space.log_key)
            following = Following(self._witness, self._key, self._memory, log_key, candidates)
            for _ in range(_A_CONNECTION):
                if self._stopped.is_set():
                    return
                found = following.step(self._wait)
                self._delay, self._told = _SHORTEST, ""
                if found is not None:
                    log.info("cosigned %d entries of %s", found.size, found.origin)

    def _tell(self, fault: HefuError) -> None:
        if fault.code == self._told:
            return
        self._told = fault.code
        serious = isinstance(fault, Refused | NotFound | Conflict)
        log.log(logging.ERROR if serious else logging.WARNING, "not cosigned: %s %s", fault.code, fault.public())
