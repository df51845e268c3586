"""Reading and verifying many statements at once, in processes of their own: signatures cost more than all the rest.

A process gets bytes and the keys they may be signed with, and gives back the little that the log must know of each: a
whole statement takes longer to hand over than to read again. It holds nothing and reaches nothing. Few statements are
read where they are. What does not verify is read again by the caller, who says why.
"""

from __future__ import annotations

import logging
import multiprocessing
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime
from typing import NamedTuple

from hefu.envelope import PublicKey, Statement
from hefu.errors import HefuError

log = logging.getLogger("hefu.broker")
LEAST = 32  # statements for which a process is asked


class Verified(NamedTuple):
    """What the log must know of a statement that holds, besides its bytes.

    Attributes:
        signatures: the key and the time of each.
        agreements: ids of those that its body names.
    """

    type: str
    space: str
    issuer: str
    time: datetime
    signatures: tuple[tuple[str, datetime], ...]
    agreements: tuple[str, ...]

    @classmethod
    def of(cls, statement: Statement) -> Verified:
        """Of a statement whose signatures were verified."""
        named = statement.body.get("agreements")
        rows = named if isinstance(named, list) else []
        ids = [each.get("agreement") if isinstance(each, dict) else each for each in rows]
        return cls(
            statement.type, statement.space, statement.issuer, statement.time,
            tuple((each.key, each.time) for each in statement.signatures),
            tuple(each for each in ids if isinstance(each, str)),
        )  # fmt: skip


class Verifying:
    """Verifies statements of one issuer. Any thread may call.

    Args:
        processes: how many at most; 0 reads everything in this process. They start when they are first needed.
    """

    def __init__(self, processes: int = 0) -> None:
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()

    def read(self, envelopes: Sequence[bytes], keys: Mapping[str, PublicKey], issuer: str) -> list[Verified] | None:
        """What they say, each with a valid signature of its issuer and none of anybody else; None where one is not.

        Args:
            keys: the issuer's certified keys, by id.
        """
        if not self._processes or len(envelopes) < LEAST:
            return _read(envelopes, keys, issuer)
        size = -(-len(envelopes) // self._processes)
        parts = [envelopes[start : start + size] for start in range(0, len(envelopes), size)]
        try:
            pool = self._started()
            waiting = [pool.submit(_read, part, dict(keys), issuer) for part in parts]
            found = [each.result() for each in waiting]
        except (BrokenProcessPool, OSError, RuntimeError):  # one was killed, or none can be started
            log.exception("statements are verified in this process: the others are gone")
            self.close()
            return _read(envelopes, keys, issuer)
        return None if any(each is None for each in found) else [one for each in found if each for one in each]

    def close(self) -> None:
        """End the processes; the next who needs them starts them again."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                spawn = multiprocessing.get_context("spawn")  # never a fork: this process has threads
                self._pool = ProcessPoolExecutor(self._processes, mp_context=spawn)
            return self._pool


def _read(envelopes: Sequence[bytes], keys: Mapping[str, PublicKey], issuer: str) -> list[Verified] | None:
    found = []
    try:
        for each in envelopes:
            statement = Statement.parse(each)
            statement.verify(keys, issuer)
            found.append(Verified.of(statement))
    except HefuError:
        return None
    return found
