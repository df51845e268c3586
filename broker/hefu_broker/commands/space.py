"""``hefu broker space``: the spaces of one broker, each with a root, members, catalog and log of its own."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hefu import identity
from hefu.terminal.commands import Output, common

_PASSPHRASE = "HEFU_ROOT_PASSPHRASE"  # noqa: S105 - the name of a variable


def add(groups: Any) -> None:
    """Put ``space add|list|show`` under the broker's commands."""
    text = "add, list and show the spaces that this broker serves"
    commands = groups.add_parser("space", help=text, description=text).add_subparsers(
        title="commands", metavar="COMMAND", required=True
    )

    def command(name: str, text: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = common(commands.add_parser(name, help=text, description=text), run)
        made.add_argument("--dir", type=Path, required=True, help="the broker's folder")
        return made

    made = command("add", "found one space more: a root, keys, a log and a space file of its own", _add)
    made.add_argument("space", help="the id of the new space")
    made.add_argument("--root", type=Path, help="folder of its offline root (default: DIR-root-SPACE)")
    made.add_argument("--log-origin", help="its audit log's name (default: hefu.example/SPACE)")
    command("list", "list the spaces that this broker serves", _list)
    show = command("show", "show a space's file, which its participants pin", _show)
    show.add_argument("space", help="the id of the space")


def root_passphrase() -> bytes | None:
    """What protects a root's key, from the environment; None where it is not protected."""
    return os.environ.get(_PASSPHRASE, "").encode() or None


def _add(arguments: argparse.Namespace) -> int:
    from hefu.times import SystemClock

    from hefu_broker import bell, founding

    output, folder, id_ = Output.of(arguments), arguments.dir, identity.check_name(arguments.space, "The space's id")
    root = arguments.root or folder.with_name(f"{folder.name}-root-{id_}")
    plan = founding.Addition(root, id_, arguments.log_origin or f"hefu.example/{id_}", passphrase=root_passphrase())
    space = founding.add(folder, plan, SystemClock())
    bell.ring(folder)
    path = founding.home_of(folder, id_) / founding.SPACE
    output.say(
        f"Added the space {id_}; a running broker serves it at once.\n"
        f"  Give {path} to its participants, over a channel you both trust.\n"
        f"  Move {root} to a machine that is never connected.\n"
        f"Next: hefu broker token --dir {folder} --space {id_} --name NAME --role ROLE",
        f"已增加空间 {id_}；运行中的平台即刻为其服务。\n"
        f"  请经由双方信任的途径，把 {path} 交给其参与方。\n"
        f"  请把 {root} 移至永不联网的机器。\n"
        f"下一步：hefu broker token --dir {folder} --space {id_} --name NAME --role ROLE",
    )
    output.data({"dir": str(folder), "root": str(root), "file": str(path), "space": space.document()})
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from hefu.space import SpaceFile

    from hefu_broker import founding

    output, rows = Output.of(arguments), []
    for home in founding.homes(arguments.dir):
        space = SpaceFile.read(home / founding.SPACE)
        rows.append({"space": space.space, "log": space.log_origin, "root": space.root.key, "folder": str(home)})
    headings = ("space", "log", "root", "folder")
    output.table(headings, [[row[name] for name in headings] for row in rows])
    output.data({"spaces": rows})
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from hefu.space import SpaceFile

    from hefu_broker import founding

    output, home = Output.of(arguments), founding.home_of(arguments.dir, arguments.space)
    document = SpaceFile.read(home / founding.SPACE).document()
    for name, value in document.items():
        output.say(f"{name}: {value.strip()}")
    output.data({"folder": str(home), "file": document})
    return 0
