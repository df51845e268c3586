"""``hefu connector backup``, ``restore`` and ``confirm``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hefu.terminal.commands import Output

from hefu_connector.commands.link import command, directory


def add(group: Any) -> None:
    """Put the three commands under the connector's."""
    one = command(group, "backup", "copy the directory while it serves; the secret is never in the copy", _backup)
    one.add_argument("--to", type=Path, required=True, help="a new folder for the copy")
    text = "put a copy back into a new directory, which serves nobody before confirm"
    one = command(group, "restore", text, _restore)
    one.add_argument("--from", type=Path, required=True, dest="copy", help="the folder of the copy")
    command(group, "confirm", "hold a restored connector against the broker's log, and let it serve again", _confirm)


def _backup(arguments: argparse.Namespace) -> int:
    from hefu.running import backup
    from hefu.times import SystemClock

    from hefu_connector import restoring
    from hefu_connector.settings import Home

    output, folder, to = Output.of(arguments), directory(arguments), arguments.to.absolute()
    manifest = backup.write(restoring.plan(Home(folder)), folder, to, SystemClock().now())
    count = len(manifest["files"])
    output.say(
        f"Copied {count} files into {to}. Keep it apart from the secret, which is not in it. A copy is for moving to "
        "another machine:\nwhat is charged after it is missing in it, and an old one is refused.",
        f"已将 {count} 个文件复制到 {to}。口令不在其中，请分开保管。\n"
        "副本用于迁移：此后的扣减不在其中，旧副本会被拒绝。",
    )
    if manifest["elsewhere"]:
        output.say(
            "The database is reached by URL and is not in it: let its administrator copy it now, after this copy.",
            "数据库经 URL 访问，不在其中：请由其管理员在此之后立即备份。",
        )
    output.data({"to": str(to), **{name: manifest[name] for name in ("time", "version", "elsewhere")}})
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    from hefu.running import backup
    from hefu.times import SystemClock

    from hefu_connector.restoring import TOWER

    output, folder = Output.of(arguments), directory(arguments)
    manifest = backup.restore(TOWER, arguments.copy.absolute(), folder, SystemClock().now())
    output.say(
        f"Restored {folder} as it was at {manifest['time']}. Its secret was not in the copy: put it where\n"
        f"connector.json says. Charges since then are missing here, so this connector serves nobody yet. See that the\n"
        f"old one never runs again, then: hefu connector confirm --dir {folder}",
        f"已将 {folder} 恢复至 {manifest['time']} 的状态。副本不含口令：请按 connector.json 放置。\n"
        f"此后的扣减在此缺失，因此本连接器暂不对外服务。请确保旧的不再运行，\n"
        f"然后执行：hefu connector confirm --dir {folder}",
    )
    output.data({"directory": str(folder), "copied": manifest["time"], "confirmed": False})
    return 0


def _confirm(arguments: argparse.Namespace) -> int:
    from hefu_connector.restoring import confirm

    output, folder = Output.of(arguments), directory(arguments)
    entries = confirm(folder)
    output.say(
        f"The log has nothing of this connector that its journal ({entries} entries) has not. "
        f"Next: hefu connector serve --dir {folder}",
        f"日志中没有本连接器日记（{entries} 条）之外的内容。下一步：hefu connector serve --dir {folder}",
    )
    output.data({"directory": str(folder), "confirmed": True, "entries": entries})
    return 0
