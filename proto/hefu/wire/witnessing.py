"""What every witness of ours shares, wherever it runs: its key in a file, and asking a broker for what to cosign.

A witness's key is never another key of ours: one Ed25519 key must not serve two purposes.

Source: C2SP tlog-cosignature, tlog-witness.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from hefu.errors import Malformed
from hefu.keeping import keys
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import COSIGNATURE, MLDSA_COSIGNATURE, Note, Sign, VerifierKey
from hefu.tlog.witness import Memory, Request, Witness
from hefu.v1 import audit_pb2, audit_pb2_grpc
from hefu.wire import transport

FILE = "witness.key"
TYPES = {"ed25519": COSIGNATURE, "ml-dsa-44": MLDSA_COSIGNATURE}
WAIT = 20.0  # seconds that the broker may hold a question
_PEER = "the broker"


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness's own key: the public half as policies name it, and what signs."""

    public: VerifierKey
    sign: Sign

    @classmethod
    def read(cls, folder: Path, name: str, passphrase: bytes | None) -> WitnessKey:
        """The key of a folder of keys.

        Raises:
            Malformed, Untrusted: as `hefu.keeping.keys.read_key`.
        """
        key = keys.read_key(folder / FILE, passphrase)
        if isinstance(key, MLDSA44PrivateKey):
            return cls(VerifierKey(name, MLDSA_COSIGNATURE, key.public_key().public_bytes_raw()), key.sign)
        if isinstance(key, Ed25519PrivateKey):
            return cls(VerifierKey(name, COSIGNATURE, key.public_key().public_bytes_raw()), key.sign)
        raise Malformed("key.unreadable", path=str(folder / FILE), why="not a kind of key that witnesses have")

    @classmethod
    def make(cls, folder: Path, name: str, passphrase: bytes | None, kind: str = "ed25519") -> WitnessKey:
        """Draw a new key and keep it in a folder of keys, where there is none.

        Raises:
            Malformed: there is one already.
        """
        drawn = MLDSA44PrivateKey.generate() if kind == "ml-dsa-44" else Ed25519PrivateKey.generate()
        keys.write_key(folder / FILE, drawn, passphrase)
        return cls.read(folder, name, passphrase)


class Candidates:
    """The checkpoints that a broker's log wants cosigned, over gRPC. For witnesses that nobody can dial.

    Args:
        channel: to the broker, with a member's certificate; asked for at each call.
    """

    def __init__(self, channel: Callable[[], grpc.Channel]) -> None:
        self._channel = channel

    def next(self, key: VerifierKey, newest: str, seconds: float) -> Request | None:
        """What to cosign next; None where nothing came in time.

        Raises:
            NotFound: the policy in force does not name this witness.
            Unavailable: the broker is away.
        """
        request = audit_pb2.GetCandidateRequest(key=str(key), newest=newest, wait_seconds=round(seconds))
        method = audit_pb2_grpc.LogServiceStub(self._channel()).GetCandidate
        found = transport.invoke(method, request, peer=_PEER, timeout=seconds + 10)
        return Request(found.old_size, tuple(found.hashes), found.note) if found.note else None

    def hand_in(self, note: str) -> int:
        """Hand in a checkpoint with cosignatures; the size that is published by then. Repeating changes nothing."""
        method = audit_pb2_grpc.LogServiceStub(self._channel()).AddCosignature
        return transport.invoke(method, audit_pb2.AddCosignatureRequest(note=note), peer=_PEER).published_size


class Following:
    """A witness that asks a broker for checkpoints and hands its cosignatures back. One thread at a time.

    Args:
        log: the log's pinned key.
    """

    def __init__(
        self, witness: Witness, key: VerifierKey, memory: Memory, log: VerifierKey, broker: Candidates
    ) -> None:
        self._witness = witness
        self._key = key
        self._memory = memory
        self._log = log
        self._broker = broker

    def step(self, seconds: float = WAIT) -> Checkpoint | None:
        """Ask once, cosign what leads on from all that was cosigned before, and hand it in.

        Raises:
            NotCosigned: it does not lead on; where the log had signed it, it is kept as evidence.
            NotFound: the policy in force does not name this witness.
            Unavailable: the broker is away, or the memory does not take it now.
        """
        asked = self._broker.next(self._key, self._memory.newest(self._log.name) or "", seconds)
        if asked is None:
            return None
        lines = self._witness.add(asked)
        text = Note.parse(asked.note).text
        self._broker.hand_in(f"{text}\n{lines}")
        return Checkpoint.parse(text)
