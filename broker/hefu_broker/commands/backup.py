"""``hefu broker backup``, ``restore`` and ``confirm``: a copy while it serves, and a way back that nobody can miss."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hefu.errors import Malformed, NotFound
from hefu.keeping import secret
from hefu.running import backup
from hefu.terminal.commands import Output, common
from hefu.times import SystemClock

_DATABASE = "broker.db"
_LARGEST_NOTE = 1 << 16


def add(groups: Any) -> None:
    """Put the three commands under the broker's."""

    def command(name: str, text: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = common(groups.add_parser(name, help=text, description=text), run)
        made.add_argument("--dir", type=Path, required=True, help="the broker's folder")
        return made

    one = command("backup", "copy the broker's folder while it serves; the secret is never in the copy", _backup)
    one.add_argument("--to", type=Path, required=True, help="a new folder for the copy")
    one = command("restore", "put a copy back into a new folder, which serves nobody before confirm", _restore)
    one.add_argument("--from", type=Path, required=True, dest="copy", help="the folder of the copy")
    text = "hold a restored broker against the newest checkpoint that anybody has, and let it serve again"
    one = command("confirm", text, _confirm)
    given = "a checkpoint, such as a regulator's file `checkpoint`; may be repeated, and every space needs one"
    one.add_argument("--checkpoint", type=Path, action="append", required=True, help=given)


def _backup(arguments: argparse.Namespace) -> int:
    from hefu_broker.settings import FILE, Settings

    output, folder = Output.of(arguments), arguments.dir.absolute()
    settings = Settings.read(folder)
    opened = settings.lock(folder).open()
    plan = backup.Plan(
        tower="broker",
        settings=FILE,
        databases=() if settings.database else (_DATABASE,),
        key=opened.derive("database") if opened else None,
        secret=folder / settings.secret.removeprefix(secret.FILE) if settings.secret.startswith(secret.FILE) else None,
        elsewhere=bool(settings.database),
    )
    manifest = backup.write(plan, folder, arguments.to.absolute(), SystemClock().now())
    told(output, arguments.to, manifest)
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    output, folder = Output.of(arguments), arguments.dir.absolute()
    manifest = backup.restore("broker", arguments.copy.absolute(), folder, SystemClock().now())
    output.say(
        f"Restored {folder} as it was at {manifest['time']}. Its secret was not in the copy: put it where broker.json\n"
        f"says. What the log took in since then is missing here, so this broker serves nobody yet.\n"
        f"Next: ask every regulator for the newest checkpoint, then\n"
        f"  hefu broker confirm --dir {folder} --checkpoint FILE   (docs/running.md tells what if it is refused)",
        f"已将 {folder} 恢复至 {manifest['time']} 的状态。副本不含口令：请按 broker.json 放置。\n"
        f"此后写入日志的内容在此缺失，因此本平台暂不对外服务。\n"
        f"下一步：向每个监管方索取最新检查点，然后执行\n"
        f"  hefu broker confirm --dir {folder} --checkpoint 文件 （若被拒绝，参见 docs/running.md）",
    )
    output.data({"dir": str(folder), "copied": manifest["time"], "confirmed": False})
    return 0


def _confirm(arguments: argparse.Namespace) -> int:
    from hefu_broker.bootstrap import open_rooms
    from hefu_broker.founding import further
    from hefu_broker.settings import Settings

    output, folder = Output.of(arguments), arguments.dir.absolute()
    notes = [_read(path) for path in arguments.checkpoint]
    spaces = [Settings.read(folder).space, *further(folder)]
    for space in spaces:
        rooms = open_rooms(folder, space=space)
        try:
            origin = rooms.space.log_origin
            ours = [note for note in notes if note.partition("\n")[0] == origin]
            if not ours:
                raise NotFound("backup.no_checkpoint", origin=origin, space=space)
            for note in ours:
                rooms.sequencer.remember(note)
            rooms.doings.note("backup.confirmed")
        finally:
            rooms.database.close()
    backup.confirm(folder)
    output.say(
        f"{folder} holds everything up to the newest checkpoint given. Next: hefu broker serve --dir {folder}",
        f"{folder} 包含所给最新检查点之前的全部内容。下一步：hefu broker serve --dir {folder}",
    )
    output.data({"dir": str(folder), "confirmed": True, "spaces": spaces})
    return 0


def told(output: Output, to: Path, manifest: dict[str, Any]) -> None:
    """Say what a copy holds and what it does not."""
    output.say(
        f"Copied {len(manifest['files'])} files into {to}. Keep it apart from the secret, which is not in it.",
        f"已将 {len(manifest['files'])} 个文件复制到 {to}。口令不在其中，请分开保管。",
    )
    if manifest["elsewhere"]:
        output.say(
            "The database is reached by URL and is not in it: let its administrator copy it now, after this copy.",
            "数据库经 URL 访问，不在其中：请由其管理员在此之后立即备份。",
        )
    output.data({"to": str(to), **{name: manifest[name] for name in ("time", "version", "elsewhere")}})


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_NOTE).decode()
    except OSError as fault:
        raise Malformed("command.file", path=str(path), why=fault.strerror or "no such file") from None
    except UnicodeDecodeError:
        raise Malformed("command.file", path=str(path), why="not a checkpoint") from None
