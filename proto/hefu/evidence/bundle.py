"""The evidence bundle: everything a verifier needs in one zip file (or a folder with the same four files).

- ``manifest.json``: apiVersion, kind, space, origin, size (entries of the tree), readable (how many are whole);
- ``space.json``: the pinned facts of the space, root key and log key among them;
- ``checkpoint``: the log's signed note;
- ``timestamps/<size>-<number>.tsr``, as many as there are: RFC 3161 responses over the checkpoint text of that size;
- ``entries.jsonl``: one line an entry, in log order: the envelope itself (canonical JSON, the leaf's exact bytes), or
  ``{"leaf":"<base64url>"}``, the leaf hash of an entry that the bundle's holder may not read.

A bundle of one contract has other members: `hefu.evidence.contract_bundle`; it is opened here too.

A bundle is hostile until verified: names, counts and sizes are capped, and nothing is ever unpacked to a disk.
"""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import LARGEST_STATEMENT
from hefu.errors import Malformed
from hefu.evidence import contract_bundle
from hefu.evidence.contract_bundle import ContractManifest
from hefu.evidence.timestamps import LARGEST_RESPONSE, Stamp
from hefu.identity import read_bytes, write_bytes
from hefu.members import exactly, reading, text, whole
from hefu.space import API_VERSION, SpaceFile
from hefu.tlog.note import LARGEST_NOTE
from hefu.tlog.tree import HASH_SIZE, leaf_hash

MANIFEST, SPACE, CHECKPOINT, ENTRIES = "manifest.json", "space.json", "checkpoint", "entries.jsonl"
NAMES = frozenset({MANIFEST, SPACE, CHECKPOINT, ENTRIES})
KIND = "Bundle"
_STAMP = re.compile(r"timestamps/(0|[1-9][0-9]{0,15})-([0-9]{1,4})\.tsr", re.ASCII)
MOST_STAMPS = 1000
MOST_ENTRIES = 1 << 24
LARGEST_BUNDLE = 4 << 30  # bytes, unpacked
_LARGEST_FILE = 64 << 10  # bytes, of a small member
# Every entry holds a hash or a signature, which do not pack: a real bundle shrinks to a fifth or so.
_MOST_PACKED, _SMALL = 50, 64 << 10
_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)
_EPOCH = (1980, 1, 1, 0, 0, 0)

OpenMember = Callable[[str], IO[bytes]]


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """One entry of the log as the bundle has it: its leaf hash, and its bytes where the holder may read them."""

    index: int
    leaf_hash: bytes
    envelope: bytes | None

    @classmethod
    def whole(cls, index: int, envelope: bytes) -> BundleEntry:
        """An entry whose bytes are known."""
        return cls(index, leaf_hash(envelope), envelope)

    @classmethod
    def parse(cls, index: int, line: bytes) -> BundleEntry:
        """Read a line without its newline. An envelope is not parsed yet.

        Raises:
            Malformed: a hidden entry's line is not of its one form.
        """
        if not line.startswith(b'{"leaf":'):
            return cls.whole(index, line)
        hidden = canonical.decode_object(line, 256)
        with reading("hidden entry"):
            return cls(index, read_bytes(text(exactly(hidden, "leaf")["leaf"]), HASH_SIZE), None)

    def line(self) -> bytes:
        """The line of ``entries.jsonl``, with its newline."""
        if self.envelope is not None:
            return self.envelope + b"\n"
        return canonical.encode({"leaf": write_bytes(self.leaf_hash)}) + b"\n"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself."""

    space: str
    origin: str
    size: int
    readable: int

    def document(self) -> Object:
        """The members of the file."""
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "space": self.space,
            "origin": self.origin,
            "size": self.size,
            "readable": self.readable,
        }

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Read the file.

        Raises:
            Malformed: not exactly as `document` makes it, in canonical form.
        """
        body = canonical.decode_object(data, _LARGEST_FILE)
        with reading(KIND):
            exactly(body, "apiVersion", "kind", *cls.__slots__)
            if body["apiVersion"] != API_VERSION or body["kind"] != KIND:
                raise ValueError
            return cls(text(body["space"]), text(body["origin"]), whole(body["size"]), whole(body["readable"]))


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What is open of the bundle of one contract: its manifest, and the members that are there by name."""

    manifest: ContractManifest
    names: frozenset[str]
    _member: OpenMember

    def read(self, name: str, limit: int = contract_bundle.LARGEST_MEMBER) -> bytes:
        """The bytes of a member. Raises Malformed where it is not there, or too large."""
        return _small(self._member, name, limit)


@dataclass(frozen=True, slots=True)
class Bundle:
    """An open bundle; `entries` may be called while its file is open.

    Attributes:
        excerpt: of one contract; None where the bundle has the whole log.
    """

    manifest: Manifest
    space: SpaceFile
    checkpoint: str
    _member: OpenMember
    excerpt: Excerpt | None = None
    _stamps: tuple[str, ...] = ()

    def entries(self) -> Iterator[BundleEntry]:
        """The entries in order, read as they are asked for.

        Raises:
            Malformed: a line is too long or has no newline, or there are more lines than the manifest says.
        """
        if self.excerpt is not None:
            for index in self.excerpt.manifest.entries:
                name = contract_bundle.entry_name(index)
                if name in self.excerpt.names:
                    yield BundleEntry.whole(index, self.excerpt.read(name, LARGEST_STATEMENT))
            return
        total = 0
        with _translated(ENTRIES), self._member(ENTRIES) as raw, io.BufferedReader(raw) as file:  # type: ignore[type-var]
            for index in range(self.manifest.size + 1):
                line = file.readline(LARGEST_STATEMENT + 2)
                if not line:
                    return
                total += len(line)
                if not line.endswith(b"\n") or total > LARGEST_BUNDLE:
                    _refuse(f"{ENTRIES} line {index}", "a line too long, without its newline, or too many bytes")
                yield BundleEntry.parse(index, line[:-1])
            _refuse(ENTRIES, "more lines than the manifest says")

    def stamps(self) -> list[Stamp]:
        """The time stamps it holds, none of them verified yet.

        Raises:
            Malformed: one is too large or cannot be read.
        """
        sizes = [int(found[1]) for found in map(_STAMP.fullmatch, self._stamps) if found]
        data = [_small(self._member, name, LARGEST_RESPONSE) for name in self._stamps]
        return [Stamp(size, each) for size, each in zip(sizes, data, strict=True)]


@contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """Open a bundle: a zip file, or a folder with the same files.

    Raises:
        Malformed: it is neither, has other members, or a small member cannot be read.
    """
    with ExitStack() as stack:
        member, names = _folder(path) if path.is_dir() else _archive(path, stack)
        manifest, excerpt = _manifest(member, names)
        if manifest.size > MOST_ENTRIES:
            _refuse(MANIFEST, f"more than {MOST_ENTRIES} entries")
        with _translated(SPACE):
            space = SpaceFile.of(json.loads(_small(member, SPACE, _LARGEST_FILE)), SPACE)
        with _translated(CHECKPOINT):
            note = _small(member, CHECKPOINT, LARGEST_NOTE).decode("utf-8", "strict")
        stamps = _stamps(names)
        if len(stamps) > MOST_STAMPS:
            _refuse("timestamps", f"more than {MOST_STAMPS}")
        yield Bundle(manifest, space, note, member, excerpt, stamps)


def write_bundle(
    path: Path, space: SpaceFile, checkpoint: str, entries: Iterable[BundleEntry], stamps: Iterable[Stamp] = ()
) -> Manifest:
    """Write a bundle; the same content makes the same bytes. An older file is replaced when all is written."""
    size = readable = 0
    partial = path.with_name(path.name + ".part")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(_info(ENTRIES), "w", force_zip64=True) as file:
            for entry in entries:
                file.write(entry.line())
                size += 1
                readable += entry.envelope is not None
        manifest = Manifest(space.space, space.log_origin, size, readable)
        archive.writestr(_info(MANIFEST), canonical.encode(manifest.document()))
        archive.writestr(_info(SPACE), json.dumps(space.document(), indent=2, ensure_ascii=False) + "\n")
        archive.writestr(_info(CHECKPOINT), checkpoint)
        for number, each in enumerate(stamps):
            archive.writestr(_info(stamp_name(number, each)), each.response)
    os.replace(partial, path)
    return manifest


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def stamp_name(number: int, stamp: Stamp) -> str:
    """The name of a time stamp in a bundle."""
    return f"timestamps/{stamp.size}-{number}.tsr"


def _stamps(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(each for each in names if _STAMP.fullmatch(each)))


def _manifest(member: OpenMember, names: frozenset[str]) -> tuple[Manifest, Excerpt | None]:
    data = _small(member, MANIFEST, contract_bundle.LARGEST_MEMBER)
    if names >= NAMES:
        return Manifest.parse(data), None
    if f'"kind":"{contract_bundle.KIND}"'.encode() not in data:
        _refuse(MANIFEST, f"a bundle must have exactly {', '.join(sorted(NAMES))}")
    found = ContractManifest.parse(data)
    excerpt = Excerpt(found, names, member)
    return Manifest(found.space, found.origin, found.size, len(found.entries)), excerpt


def _folder(path: Path) -> tuple[OpenMember, frozenset[str]]:
    found = (each.relative_to(path).as_posix() for each in path.rglob("*") if each.is_file())
    names = frozenset(name for name, _ in zip(found, range(contract_bundle.MOST_MEMBERS), strict=False))
    return lambda name: (path / name).open("rb"), names


def _archive(path: Path, stack: ExitStack) -> tuple[OpenMember, frozenset[str]]:
    with _translated("the zip file"):
        archive = stack.enter_context(zipfile.ZipFile(path))
        found = archive.infolist()
    names = frozenset(each.filename for each in found)
    one = MANIFEST in names and len(names) <= contract_bundle.MOST_MEMBERS
    known = names == NAMES.union(_stamps(names)) or (
        one and ENTRIES not in names and all(map(contract_bundle.is_member, names))
    )
    if len(found) != len(names) or not known:
        _refuse("the zip file", f"it must have exactly {', '.join(sorted(NAMES))}, or be of one contract")
    for each in found:
        if each.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or each.flag_bits & 1:
            _refuse(each.filename, "encrypted or compressed in another way")
        if each.file_size > LARGEST_BUNDLE:
            _refuse(each.filename, f"more than {LARGEST_BUNDLE} bytes")
        if each.file_size > _SMALL + _MOST_PACKED * each.compress_size:
            _refuse(each.filename, "packed more tightly than hashes and signatures can be")
    return archive.open, names


def _small(member: OpenMember, name: str, limit: int) -> bytes:
    with _translated(name), member(name) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        _refuse(name, f"more than {limit} bytes")
    return data


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """Whatever a broken file makes the library raise becomes Malformed."""
    try:
        yield
    except KeyError:  # a zip file's word for a member that is not there
        raise Malformed("bundle.malformed", where=where, why="it is missing") from None
    except _FAULTS as fault:
        why = (isinstance(fault, OSError) and fault.strerror) or type(fault).__name__
        raise Malformed("bundle.malformed", where=where, why=why) from None


def _refuse(where: str, why: str) -> NoReturn:
    raise Malformed("bundle.malformed", where=where, why=why)
