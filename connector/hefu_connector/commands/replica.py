"""``hefu connector replica``: a second process of a connector."""

from __future__ import annotations

import argparse
from pathlib import Path

from hefu.terminal.commands import Output

from hefu_connector.commands.link import Commands, command, directory


def add(group: Commands) -> None:
    """Add the subcommand."""
    one = command(group, "replica", "make a second process of a connector: same keys and store, own address", _replica)
    one.add_argument("--of", type=Path, required=True, metavar="DIR", help="the directory of the enrolled connector")
    one.add_argument("--listen", default=None, metavar="HOST:PORT", help="where it serves (default: a free port)")
    one.add_argument("--endpoint", default="", metavar="HOST:PORT", help="what others dial, where it is not --listen")


def _replica(arguments: argparse.Namespace) -> int:
    from hefu_connector.replica import make

    output = Output.of(arguments)
    folder = directory(arguments)
    made = make(arguments.of.expanduser().absolute(), folder, arguments.listen, arguments.endpoint)
    told = {"participant": made.participant, "connector": made.connector, "endpoint": made.endpoint or None}
    output.data({"directory": str(folder), **told, "secret": made.secret})
    here = made.database.startswith("sqlite")
    output.say(
        f"Made {folder}, a replica of {made.connector}.\n"
        + ("Its store is a file: both must run on this machine.\n" if here else "")
        + f"Next: hefu connector serve --dir {folder}",
        f"已建立 {folder}，为 {made.connector} 的副本。"
        + ("其存储为本机文件，两者须在同一台机器上运行。\n" if here else "\n")
        + f"下一步：hefu connector serve --dir {folder}",
    )
    return 0
