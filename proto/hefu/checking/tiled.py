"""A whole log as files, in the layout of tlog-tiles: what a higher node, an archive or a stranger's tools take over.

- ``checkpoint``: the log's signed note, written last;
- ``tile/<L>/<N>[.p/<W>]``: tiles of hashes; ``tile/entries/<N>[.p/<W>]``: 256 entries, each behind its length;
- ``space.json``: the pinned facts of the space, root key and log key among them (ours; others pass it over).

Full tiles never change, so exporting again writes what is new. Opened, it is evidence like a bundle:
`hefu.checking.verify` makes every check of it, and one more, that the tiles are those of the entries.

Source: C2SP tlog-tiles v0.1.0.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hefu.checking.checks import Findings
from hefu.errors import Malformed
from hefu.evidence.bundle import LARGEST_BUNDLE, MOST_ENTRIES, Bundle, BundleEntry, Manifest
from hefu.evidence.timestamps import Stamp
from hefu.space import SpaceFile
from hefu.tlog import tiles
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import LARGEST_NOTE, Note
from hefu.tlog.tiles import WIDTH, ReadTile
from hefu.tlog.tree import HASH_SIZE

CHECKPOINT, SPACE = "checkpoint", "space.json"
LARGEST_ENTRY = 65_535  # bytes: a length is a uint16
ReadEntries = Callable[[int, int], Sequence[bytes]]  # index of the first, how many: their exact bytes


def entries_path(index: int, width: int = WIDTH) -> str:
    """The name of a bundle of entries, as `hefu.tlog.tiles.path` names the tile of their hashes."""
    return tiles.path(0, index, width).replace("tile/0/", "tile/entries/", 1)


def pack(entries: Sequence[bytes]) -> bytes:
    """A bundle of entries."""
    return b"".join(struct.pack(">H", len(each)) + each for each in entries)


def unpack(data: bytes, width: int) -> list[bytes]:
    """The entries of a bundle.

    Raises:
        Malformed: there are not exactly so many.
    """
    found: list[bytes] = []
    place = 0
    while place < len(data) and len(found) < width:
        (length,) = struct.unpack_from(">H", data.ljust(place + 2, b"\0"), place)
        found.append(data[place + 2 : place + 2 + length])
        place += 2 + length
    if place != len(data) or len(found) != width:
        raise Malformed("log.malformed", what="entry bundle", why=f"it does not hold exactly {width} entries")
    return found


def places(size: int) -> Iterator[tuple[int, int, int]]:
    """Level, index and width of every tile of a tree."""
    level = 0
    while count := size >> (tiles.HEIGHT * level):
        for index in range(-(-count // WIDTH)):
            yield level, index, min(WIDTH, count - index * WIDTH)
        level += 1


def write(folder: Path, space: SpaceFile, note: str, read_tile: ReadTile, read_entries: ReadEntries) -> int:
    """Write a log up to a checkpoint; returns how many files are new. The checkpoint is there only with all of it."""
    head, written = Checkpoint.parse(Note.parse(note).text), 0
    for level, index, width in places(head.size):
        path = folder / tiles.path(level, index, width)
        if not path.exists():
            _put(path, read_tile(level, index, width)[: width * HASH_SIZE])
            written += 1
        path = folder / entries_path(index, width)
        if level == 0 and not path.exists():
            _put(path, pack(read_entries(index * WIDTH, width)))
            written += 1
    _put(folder / SPACE, (json.dumps(space.document(), indent=2, ensure_ascii=False) + "\n").encode())
    _put(folder / CHECKPOINT, note.encode())
    return written


@dataclass(frozen=True, slots=True)
class Tiled(Bundle):
    """An exported log, opened; hostile until verified."""

    folder: Path = Path()

    def entries(self) -> Iterator[BundleEntry]:
        """The entries in order, read as they are asked for; raises Malformed where a bundle of them is not whole."""
        for level, index, width in places(self.manifest.size):
            if level:
                return
            data = _read(self.folder / entries_path(index, width), WIDTH * (LARGEST_ENTRY + 2))
            for at, each in enumerate(unpack(data, width)):
                yield BundleEntry.whole(index * WIDTH + at, each)

    def stamps(self) -> list[Stamp]:
        """None: the layout has no place for them."""
        return []

    def check(self, leaves: Sequence[bytes]) -> Findings:
        """Whether the tiles are exactly those of these leaf hashes."""
        findings = Findings()
        for each in tiles.append(0, leaves, lambda *_: b"").tiles:
            findings.seen += 1
            try:
                data = _read(self.folder / each.path, WIDTH * HASH_SIZE)
            except Malformed:
                data = b""
            if data != each.hashes:
                findings.faults.append(f"{each.path} is missing, or is not what the entries give")
        return findings


def open_tiles(folder: Path) -> Tiled:
    """Open an exported log.

    Raises:
        Malformed: no checkpoint or space file, or one that cannot be read.
    """
    try:
        note = _read(folder / CHECKPOINT, LARGEST_NOTE).decode("utf-8", "strict")
        space = SpaceFile.of(json.loads(_read(folder / SPACE, LARGEST_NOTE)), SPACE)
    except ValueError as fault:
        raise Malformed("bundle.malformed", where=str(folder)[:200], why=type(fault).__name__) from None
    head = Checkpoint.parse(Note.parse(note).text)
    if head.size > MOST_ENTRIES:
        raise Malformed("bundle.malformed", where=CHECKPOINT, why=f"more than {MOST_ENTRIES} entries")
    manifest = Manifest(space.space, head.origin, head.size, head.size)
    return Tiled(manifest, space, note, lambda name: (folder / name).open("rb"), folder=folder)


def _put(path: Path, data: bytes) -> None:
    """A file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(min(limit, LARGEST_BUNDLE) + 1)
    except OSError as fault:
        raise Malformed("bundle.malformed", where=path.name, why=fault.strerror or "no such file") from None
    if len(data) > limit:
        raise Malformed("bundle.malformed", where=path.name, why=f"more than {limit} bytes")
    return data
