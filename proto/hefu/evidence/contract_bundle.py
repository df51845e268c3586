"""The bundle of one contract: the entries that concern it, each with its proof, in one file that verifies offline.

- ``manifest.json``: apiVersion, kind, space, origin, size (of the tree), agreement, entries (their indices), members
  (the digest of every other member by name);
- ``space.json``, ``checkpoint`` (the log's note with its cosignatures), as in a bundle of the whole log;
- ``entries/INDEX.json``: an envelope, the leaf's exact bytes: the contract's, and those from which the keys of its
  signers follow; ``proofs/INDEX.tlog-proof``: that it stands in the checkpoint's tree;
- ``agreement.json``: the agreement with all signatures; ``keys.json``: which key of whom which entry certified;
- ``policy.txt``: the space's witness policy, if its charter has one;
- ``later`` and ``consistency.json``: a later checkpoint of the log, and the hashes that show it to extend this one;
- ``timestamps/…``: outside time stamps on the checkpoint; ``REPORT.html``: the contract's story, for people.

Without the log's other entries nobody can compute its tree again: the proofs do that work. What they cannot show is
that no entry of the contract was left out; the report says so.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hefu import canonical
from hefu.canonical import Object
from hefu.errors import Malformed
from hefu.members import digest, exactly, many, mapping, reading, text, whole
from hefu.space import API_VERSION, SpaceFile

KIND = "ContractBundle"
MANIFEST, SPACE, CHECKPOINT = "manifest.json", "space.json", "checkpoint"
AGREEMENT, KEYS, POLICY = "agreement.json", "keys.json", "policy.txt"
LATER, CONSISTENCY, REPORT = "later", "consistency.json", "REPORT.html"
NEEDED = frozenset({MANIFEST, SPACE, CHECKPOINT})
LARGEST_MEMBER = 16 << 20  # bytes
MOST_MEMBERS = 20_000
_FIXED = NEEDED | {AGREEMENT, KEYS, POLICY, LATER, CONSISTENCY, REPORT}
_MANY = re.compile(r"entries/\d{1,8}\.json|proofs/\d{1,8}\.tlog-proof|timestamps/[0-9a-z][0-9a-z.-]{0,79}")
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class ContractManifest:
    """What the bundle of a contract says of itself."""

    space: str
    origin: str
    size: int
    agreement: str
    entries: tuple[int, ...]
    members: Mapping[str, str]

    def document(self) -> Object:
        """The members of the file."""
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "space": self.space,
            "origin": self.origin,
            "size": self.size,
            "agreement": self.agreement,
            "entries": [*self.entries],
            "members": dict(self.members),
        }

    @classmethod
    def parse(cls, data: bytes) -> ContractManifest:
        """Read the file.

        Raises:
            Malformed: not exactly as `document` makes it, in canonical form.
        """
        body = canonical.decode_object(data, LARGEST_MEMBER)
        with reading(KIND):
            exactly(body, "apiVersion", "kind", *cls.__slots__)
            entries = many(body["entries"], whole)
            if body["apiVersion"] != API_VERSION or body["kind"] != KIND or [*entries] != sorted({*entries}):
                raise ValueError
            members = {name: digest(each) for name, each in mapping(body["members"]).items()}
            size, agreement = whole(body["size"]), text(body["agreement"])
            return cls(text(body["space"]), text(body["origin"]), size, agreement, entries, members)


def is_member(name: str) -> bool:
    """Whether a file of this name may stand in the bundle of a contract."""
    return name in _FIXED or _MANY.fullmatch(name) is not None


def entry_name(index: int) -> str:
    """Where an entry stands."""
    return f"entries/{index}.json"


def proof_name(index: int) -> str:
    """Where its proof stands."""
    return f"proofs/{index}.tlog-proof"


def write_contract(
    path: Path,
    space: SpaceFile,
    note: str,
    size: int,
    agreement: str,
    entries: Sequence[tuple[int, bytes, str]],
    further: Mapping[str, bytes],
) -> ContractManifest:
    """Write the bundle of a contract; the same content makes the same bytes.

    Args:
        note: the checkpoint of that size, under which the proofs are.
        entries: index, envelope and proof, in log order.
        further: other members by name.
    """
    members = {SPACE: (json.dumps(space.document(), indent=2, ensure_ascii=False) + "\n").encode()}
    members[CHECKPOINT] = note.encode()
    for index, envelope, proof in entries:
        members[entry_name(index)] = envelope
        members[proof_name(index)] = proof.encode()
    members |= further
    if not all(map(is_member, members)) or len(members) > MOST_MEMBERS:
        raise Malformed("bundle.malformed", where="the bundle", why="too many members, or one of another name")
    digests = {name: canonical.digest(data) for name, data in members.items()}
    numbers = tuple(index for index, _, _ in entries)
    manifest = ContractManifest(space.space, space.log_origin, size, agreement, numbers, digests)
    partial = path.with_name(path.name + ".part")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (*sorted(members.items()), (MANIFEST, canonical.encode(manifest.document()))):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    os.replace(partial, path)
    return manifest
