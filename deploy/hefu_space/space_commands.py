"""``hefu space``: a whole space for a harness outside, its clock, and the points where it can be made to fail."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hefu.errors import Malformed
from hefu.running import faults
from hefu.terminal.commands import Group, Output, common


def _add(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, text: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        return common(commands.add_parser(name, help=text, description=text), run)

    made = command("up", "start a whole space for tests, or what of it does not run", _up)
    made.add_argument("--dir", type=Path, required=True, help="a new or empty directory, or that of an earlier up")
    made.add_argument("--connectors", type=int, default=3, help="participants, each with its connector (default 3)")
    made.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="SERVER=name:nth:kind",
        help="let a server that is started now fail on purpose; may be repeated",
    )
    for name, text, run in (
        ("status", "show endpoints, identities and process ids", _status),
        ("down", "end what runs of a space", _down),
    ):
        command(name, text, run).add_argument("--dir", type=Path, required=True, help="the directory of hefu space up")
    clock = command("clock", "let the space see the clock moved by so many seconds", _clock)
    clock.add_argument("seconds", type=float, help="from the machine's clock; 0 sets it right")
    clock.add_argument("--dir", type=Path, required=True, help="the directory of hefu space up")
    command("faults", "list the points where a server can be made to fail", _faults)


SPACE = Group("space", "a whole space for tests: up, down, its clock, its faults", _add)


def _up(arguments: argparse.Namespace) -> int:
    from hefu_space import standing

    arms: dict[str, str] = {}
    for each in arguments.fault:
        server, equals, setting = each.partition("=")
        if not equals:
            raise Malformed("fault.malformed", setting=each[:200])
        arms[server] = ",".join(filter(None, (arms.get(server), setting)))
    return _show(Output.of(arguments), standing.up(arguments.dir.absolute(), arguments.connectors, arms))


def _status(arguments: argparse.Namespace) -> int:
    from hefu_space import standing

    return _show(Output.of(arguments), standing.status(arguments.dir.absolute()))


def _down(arguments: argparse.Namespace) -> int:
    from hefu_space import standing

    output = Output.of(arguments)
    ended = standing.down(arguments.dir.absolute())
    output.say(f"Ended: {', '.join(ended) or 'nothing ran'}.", f"已停止：{'、'.join(ended) or '没有运行中的进程'}。")
    output.data({"ended": ended})
    return 0


def _clock(arguments: argparse.Namespace) -> int:
    from hefu_space import standing

    standing.move_clock(arguments.dir.absolute(), arguments.seconds)
    output = Output.of(arguments)
    output.say(f"The clock stands {arguments.seconds:+g} s off.", f"时钟偏移 {arguments.seconds:+g} 秒。")
    output.data({"seconds": arguments.seconds})
    return 0


def _faults(arguments: argparse.Namespace) -> int:
    output = Output.of(arguments)
    chinese = output.language == "zh"
    rows = [(each.name, each.where, " ".join(each.kinds), each.zh if chinese else each.en) for each in faults.POINTS]
    output.say(
        "HEFU_FAULT=name:nth:kind acts in servers whose settings say test: true, under HEFU_TEST=1.",
        "HEFU_FAULT=名称:次数:种类 仅在设置含 test: true 且 HEFU_TEST=1 的服务中生效。",
    )
    heads = ("名称", "所在", "种类", "含义") if chinese else ("point", "in", "kinds", "what has happened there")
    output.table(heads, rows)
    names = ("name", "where", "kinds", "en", "zh")
    output.data({"points": [{name: getattr(each, name) for name in names} for each in faults.POINTS]})
    return 0


def _show(output: Output, found: dict[str, Any]) -> int:
    servers = [found["broker"], *found["connectors"]]
    output.table(
        ("server", "endpoint", "process", "directory"),
        [(each["name"], each["endpoint"], each["pid"] if each["alive"] else "-", each["dir"]) for each in servers],
    )
    output.say(f"End it with: hefu space down --dir {found['dir']}", f"停止：hefu space down --dir {found['dir']}")
    output.data(found)
    return 0
