"""The tree in tiles: 256 hashes wide, immutable once full, so that appending and proving touch a handful of rows.

A tile of level L and index N holds the hashes of tree level 8·L from N·256 on, 32 bytes each, left to right. The last
tile of a level may be partial. Only what stands in tiles is ever stored: inner hashes are computed from a tile.

How a log appends (all of it in one transaction of the store)::

    appended = append(old_size, [leaf_hash(entry), …], held(read_tiles(edge(old_size))))
    for tile in appended.tiles:
        upsert (tile.level, tile.index) -> tile.hashes      # replaces the partial tile of before
    new head = (appended.size, appended.root)

How it proves, for any size up to the one stored, with one reading of all the tiles that this takes::

    at_once(size, lambda read: inclusion_proof(index, size, read), read_tiles)
    at_once(size, lambda read: consistency_proof(old, size, read), read_tiles)
    at_once(size, lambda read: root_of(size, read), read_tiles)

Source: C2SP tlog-tiles v0.1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hefu.errors import Malformed, Untrusted
from hefu.tlog.tree import HASH_SIZE, ReadHash, root_of

HEIGHT = 8
WIDTH = 1 << HEIGHT

# read_tile(level, index, width) returns the tile's bytes: at least `width` hashes. A store that keeps one row a
# (level, index) just returns the row; what exceeds the width belongs to a larger tree and is not looked at.
ReadTile = Callable[[int, int, int], bytes]
# read_tiles(places) returns the tiles at some places (level, index), by place; what is not stored is left out.
Place = tuple[int, int]
ReadTiles = Callable[[Collection[Place]], Mapping[Place, bytes]]
Result = TypeVar("Result")

_PATH = re.compile(r"tile/([0-5]?\d|6[0-3])/((?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d{0,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: its place and its hashes (32 bytes each, 1 to 256 of them)."""

    level: int
    index: int
    hashes: bytes

    @property
    def width(self) -> int:
        """How many hashes it holds; 256 when full."""
        return len(self.hashes) // HASH_SIZE

    @property
    def path(self) -> str:
        """Its name under a log's prefix, for example ``tile/0/x001/234.p/7``."""
        return path(self.level, self.index, self.width)


@dataclass(frozen=True, slots=True)
class Appended:
    """What appending changed: the new size and root, and every tile that is new or wider than before."""

    size: int
    root: bytes
    tiles: tuple[Tile, ...]


def append(old_size: int, leaf_hashes: Sequence[bytes], read_tile: ReadTile) -> Appended:
    """Append leaves to a tree that stands in tiles.

    Reads at most one tile a level for the tiles, and those at the right edge for the root.

    Args:
        old_size: number of leaves before.
        leaf_hashes: hashes of the new leaves in order, 32 bytes each; may be empty.
        read_tile: reads tiles of the tree as it was.

    Raises:
        Untrusted: a stored tile is shorter than the old size demands.
    """
    if any(len(each) != HASH_SIZE for each in leaf_hashes):
        raise ValueError("a leaf hash has 32 bytes")
    new_size = old_size + len(leaf_hashes)
    changed: list[Tile] = []
    level, added = 0, b"".join(leaf_hashes)
    while added:
        tiles = _extend(level, old_size >> (HEIGHT * level), added, read_tile)
        changed += tiles
        added = b"".join(_top(tile.hashes) for tile in tiles if tile.width == WIDTH)
        level += 1
    fresh = {(tile.level, tile.index): tile.hashes for tile in changed}

    def read_new(level: int, index: int, width: int) -> bytes:
        return fresh[level, index] if (level, index) in fresh else read_tile(level, index, width)

    return Appended(new_size, root_of(new_size, hashes(new_size, read_new)), tuple(changed))


def hashes(size: int, read_tile: ReadTile) -> ReadHash:
    """Hashes of complete subtrees, read from the tiles of a tree of the given size; for `hefu.tlog.tree`.

    Each tile is read once for one reader, so make a reader for one piece of work and drop it then.
    """
    held: dict[Place, bytes] = {}

    def read(level: int, index: int) -> bytes:
        place, offset, count = _place(level, index)
        if place not in held:
            width = min(WIDTH, (size >> (HEIGHT * place[0])) - place[1] * WIDTH)
            held[place] = _read(*place, width, read_tile)
        return _top(held[place][offset * HASH_SIZE : (offset + count) * HASH_SIZE])

    return read


def at_once(size: int, work: Callable[[ReadHash], Result], read_tiles: ReadTiles) -> Result:
    """Do something with a tree of the given size, for which all tiles that it takes are read at once.

    Which hashes a root or a proof is made of follows from sizes and indices alone, never from hashes. So the work is
    done twice: on no tree, to see what it asks for, and then on what was read.

    Raises:
        Untrusted: a stored tile is absent, or shorter than the size demands.
    """
    wanted: set[Place] = set()

    def note(level: int, index: int) -> bytes:
        wanted.add(_place(level, index)[0])
        return bytes(HASH_SIZE)

    work(note)
    return work(hashes(size, held(read_tiles(wanted))))


def held(found: Mapping[Place, bytes]) -> ReadTile:
    """Tiles that were read already; one that is not among them is as one that is not stored."""
    return lambda level, index, _: found.get((level, index), b"")


def edge(size: int) -> list[Place]:
    """The places of the tiles at the right edge of a tree that are not full: all that appending to it reads."""
    levels = range(-(-size.bit_length() // HEIGHT))
    return [(each, size >> (HEIGHT * (each + 1))) for each in levels if (size >> (HEIGHT * each)) % WIDTH]


def path(level: int, index: int, width: int = WIDTH) -> str:
    """The name of a tile: three digits a folder, a partial tile with its width."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"


def parse_path(text: str) -> tuple[int, int, int]:
    """Level, index and width of a tile's name.

    Raises:
        Malformed: not exactly as `path` writes it.
    """
    match = _PATH.fullmatch(text)
    if match is not None:
        level, width = int(match[1]), int(match[3] or WIDTH)
        index = int(match[2].replace("x", "").replace("/", ""))
        if width <= WIDTH and path(level, index, width) == text:
            return level, index, width
    raise Malformed("log.malformed", what="tile name", why="not of the form tile/0/x001/234.p/7")


def _extend(level: int, count: int, added: bytes, read_tile: ReadTile) -> list[Tile]:
    """The tiles of one level that change when hashes are added after the first ``count``."""
    index, held = divmod(count, WIDTH)
    data = (_read(level, index, held, read_tile) if held else b"") + added
    size = WIDTH * HASH_SIZE
    return [
        Tile(level, index + number, data[start : start + size])
        for number, start in enumerate(range(0, len(data), size))
    ]


def _place(level: int, index: int) -> tuple[Place, int, int]:
    """In which tile the hashes below a complete subtree stand, from which one on, and how many."""
    tile_level, height = divmod(level, HEIGHT)
    first = index << height
    return (tile_level, first >> HEIGHT), first % WIDTH, 1 << height


def _read(level: int, index: int, width: int, read_tile: ReadTile) -> bytes:
    data = read_tile(level, index, width)[: width * HASH_SIZE]
    if len(data) != width * HASH_SIZE:
        raise Untrusted("log.tile", level=level, index=index)
    return data


def _top(data: bytes) -> bytes:
    """The root over a power of two of hashes."""
    sha256, pair = hashlib.sha256, 2 * HASH_SIZE
    while len(data) > HASH_SIZE:  # `tree.node_hash` of each pair, without taking it apart
        data = b"".join([sha256(b"\x01" + data[at : at + pair]).digest() for at in range(0, len(data), pair)])
    return data
