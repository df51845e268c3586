"""A process that reads what was sent to it as a worker would, until something kills it: ``python -m`` this.

Each message is one byte (what it is), four bytes of length, and the bytes; each answer is one byte: ``r`` refused in
one word, ``f`` failed otherwise, ``d`` done.
"""

from __future__ import annotations

import io
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

VECTOR, ANSWER, CONTEXT, EXACT, FILE = b"v", b"a", b"c", b"b", b"f"
REFUSED, FAILED, DONE, DIED = b"r", b"f", b"d", b"x"
COUNT = 100
_MEMORY = 2 << 30  # as a worker's


class Reader:
    """Such a process, started anew whenever it died.

    Attributes:
        deaths: how often.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.deaths = 0

    def read(self, kind: bytes, data: bytes) -> bytes:
        """What became of it."""
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(kind + len(data).to_bytes(4, "big") + data)
            process.stdin.flush()
            answer = process.stdout.read(1)
        except BrokenPipeError:
            answer = b""
        if answer:
            return answer
        self.deaths += 1
        self.close()
        return DIED

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", __name__, str(self._folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip


@contextmanager
def reader(folder: Path) -> Iterator[Reader]:
    """A reader with the keys that stand in a folder: ``secret``, ``public``, ``exact``."""
    made = Reader(folder)
    try:
        yield made
    finally:
        made.close()


def model() -> Any:
    """What vectors are scored by."""
    from hefu_connector.computing.model import IDENTITY, Feature, Model

    features = (Feature("a", "", Decimal(-1), Decimal(1)),)
    return Model(features, (Decimal("0.5"),), Decimal("0.25"), IDENTITY, Decimal("0.01"), "00" * 32)


def _serve(folder: Path, wanted: BinaryIO, answers: BinaryIO) -> None:
    import tenseal
    from hefu.errors import Malformed
    from hefu_connector.computing import blobs, frames
    from hefu_connector.computing.suites import LARGEST_PUBLIC, LINEAR, TOTALS
    from hefu_connector.engines.homomorphic import keys, scoring

    secret, exact = (keys.read_secret((folder / name).read_bytes()) for name in ("secret", "exact"))
    public = keys.read_public((folder / "public").read_bytes(), LINEAR)
    made = model()

    def total(data: bytes) -> None:
        frames.check_vector(data, COUNT, 0, TOTALS.largest)
        found = tenseal.bfv_vector_from(exact, data)
        (found + [1] * COUNT).decrypt()

    def context(data: bytes) -> None:
        tenseal.ckks_vector(keys.read_public(data, LINEAR), [0.5] * COUNT).serialize()

    def file(data: bytes) -> None:
        told, vector = blobs.decode(data, [LARGEST_PUBLIC, LINEAR.largest])
        scoring.score(keys.read_public(told, LINEAR), made, [vector], COUNT)

    work = {
        VECTOR: lambda data: scoring.score(public, made, [data], COUNT),
        ANSWER: lambda data: scoring.decrypt(secret, data, LINEAR, COUNT, made.step),
        CONTEXT: context,
        EXACT: total,
        FILE: file,
    }
    while kind := wanted.read(1):
        data = wanted.read(int.from_bytes(wanted.read(4), "big"))
        try:
            work[kind](data)
            end = DONE
        except Malformed:
            end = REFUSED
        except Exception:  # noqa: BLE001 - an edge
            end = FAILED
        answers.write(end)
        answers.flush()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = io.BufferedWriter(io.FileIO(1, "w", closefd=False))
    _serve(Path(sys.argv[1]), sys.stdin.buffer, out)
