"""``hefu broker replica``: a second process on the same database."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hefu.terminal.commands import Output, common


def add(commands: Any) -> None:
    """Put ``replica`` under the broker's commands."""
    text = "make the folder of a second process of a broker, on the same PostgreSQL; again: bring new spaces into it"
    run: Callable[[argparse.Namespace], int] = _replica
    made = common(commands.add_parser("replica", help=text, description=text), run)
    made.add_argument("--of", type=Path, required=True, help="the folder of the broker that is there")
    made.add_argument("--dir", type=Path, required=True, help="the new folder; keep it like the other: it holds keys")
    made.add_argument("--address", default="", help="HOST:PORT to serve on (default: the same, for another host)")
    made.add_argument("--enrolment", default="", help="the same for enrolment")
    made.add_argument("--relay", default="", help="the same for the relay (default: none)")


def _replica(arguments: argparse.Namespace) -> int:
    from hefu_broker import bell
    from hefu_broker.replication import Replica, replicate

    output, folder = Output.of(arguments), arguments.dir
    plan = Replica(arguments.of, folder, arguments.address, arguments.enrolment, arguments.relay)
    settings, spaces = replicate(plan)
    bell.ring(folder)
    output.say(
        f"{folder} holds the node {settings.node} with the spaces {', '.join(spaces) or '(nothing new)'}.\n"
        f"  It needs the secret {settings.secret} and the database to start, on whatever host it runs.\n"
        f"  Participants must reach both: by a name with two addresses, or HOST:PORT,HOST:PORT in the space file.\n"
        f"Next: hefu broker serve --dir {folder}",
        f"{folder} 为节点 {settings.node}，含空间 {'、'.join(spaces) or '（无新增）'}。\n"
        f"  无论在哪台主机上启动，都需要口令 {settings.secret} 与数据库。\n"
        f"  参与方须能到达两者：使用含两个地址的域名，或在空间文件中写 主机:端口,主机:端口。\n"
        f"下一步：hefu broker serve --dir {folder}",
    )
    output.data({"dir": str(folder), "node": settings.node, "spaces": spaces})
    return 0
