"""``hefu broker export``: the whole log of a space as files that anybody's tools read and anybody verifies."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hefu.checking import tiled
from hefu.errors import Unavailable
from hefu.terminal.commands import Output, common

if TYPE_CHECKING:
    from hefu_broker.rooms import Rooms


def add(groups: Any) -> None:
    """Put the command under the broker's."""
    text = "write the log as files (C2SP tlog-tiles); again, it adds what is new"
    made = common(groups.add_parser("export", help=text, description=text), _export)
    made.add_argument("--dir", type=Path, required=True, help="the broker's folder")
    made.add_argument("--tiles", type=Path, required=True, metavar="DIR", help="the folder to write")
    made.add_argument("--space", default="", help="the space; by default the one the broker was founded with")


def export(rooms: Rooms, folder: Path) -> tuple[int, int]:
    """Write the log up to its newest published checkpoint; returns its size and how many files are new.

    Raises:
        Unavailable: no checkpoint is published yet.
    """
    from hefu_broker.storage.log import SqlLogStore

    store = SqlLogStore(rooms.database)
    note = store.checkpoint()
    if note is None:
        raise Unavailable("log.closed")
    written = tiled.write(
        folder,
        rooms.space,
        note,
        lambda level, index, _: store.tiles([(level, index)])[level, index],
        lambda first, most: [each.outgoing.envelope for each in store.entries(first, most)],
    )
    return int(note.split("\n")[1]), written


def _export(arguments: argparse.Namespace) -> int:
    from hefu_broker.bootstrap import open_rooms

    output, folder = Output.of(arguments), arguments.tiles.absolute()
    rooms = open_rooms(arguments.dir.absolute(), space=arguments.space)
    try:
        size, written = export(rooms, folder)
    finally:
        rooms.database.close()
    output.say(
        f"{size} entries in {folder}, {written} files new. They hold every entry in the clear: give them to those who\n"
        f"may read all. Anybody verifies them:  hefu verify --tiles {folder} --space FILE",
        f"{folder} 中共 {size} 个条目，新增 {written} 个文件。其中含全部条目的明文：仅交给有权阅读全部内容者。\n"
        f"任何人均可验证：  hefu verify --tiles {folder} --space 文件",
    )
    output.data({"tiles": str(folder), "size": size, "written": written})
    return 0
