"""Following the log: ``watch``."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence
from pathlib import Path

from hefu.errors import Unavailable
from hefu.space import SpaceFile
from hefu.terminal.commands import Output, common, explain
from hefu.times import Clock, SystemClock

from hefu_audit.commands.words import Commands, directory, sub
from hefu_audit.home import Home
from hefu_audit.watching import telling
from hefu_audit.watching.rules import Alert, Rules
from hefu_audit.watching.state import State, Write
from hefu_audit.watching.telling import FILE, WEBHOOK, Send
from hefu_audit.watching.watcher import Watcher


def add(group: Commands) -> None:
    """``watch``."""
    one = common(
        sub(group, "watch", "follow the log: verify what is new, apply the rules of watch.json, and tell of alerts"),
        _watch,
    )
    one.add_argument(
        "--once", action="store_true", help="look once: exit code 1 where something new is wrong, 3 if away"
    )
    one.add_argument("--every", type=int, default=30, metavar="SECONDS", help="seconds between two looks (default: 30)")
    one.add_argument("--file", type=Path, metavar="FILE", help="append alerts here, one JSON document a line")
    one.add_argument("--webhook", metavar="URL", help="post each alert here as a signed statement (HTTPS)")


def _watch(arguments: argparse.Namespace) -> int:
    output, home, clock = Output.of(arguments), Home(directory(arguments)), SystemClock()
    space, sends = home.space(), _sends(arguments)
    writes: dict[str, Write] = {}
    if FILE in sends:
        writes[FILE] = telling.line
    if WEBHOOK in sends:
        writes[WEBHOOK] = telling.signed(home.ring(), space.space)
    state = State(home.directory / "watch", home.evidence, writes)
    rules = Rules.read(home.directory / "watch.json")
    pause = threading.Event()
    watcher: Watcher | None = None
    while True:
        code, watcher = _look(output, home, space, clock, state, rules, watcher)
        for name, fault in telling.deliver(state, sends).items():
            output.progress(f"{name}: {fault.public()}", f"{name}：{fault.public('zh')}")
        if arguments.once:
            return code
        pause.wait(max(1, arguments.every))


def _look(
    output: Output, home: Home, space: SpaceFile, clock: Clock, state: State, rules: Rules, watcher: Watcher | None
) -> tuple[int, Watcher | None]:
    """One look over a connection of its own; the exit code, and the watcher, which goes on at the next."""
    from hefu_audit.clients import broker

    try:
        with broker.connected(home, space, clock) as log:
            if watcher is None:
                watcher = Watcher(space, state, state, rules, clock)
            alerts = watcher.look(log)
    except Unavailable as fault:
        alerts = watcher.away() if watcher is not None else []
        _show(output, alerts, watcher.size if watcher is not None else 0)
        return explain(fault, output), watcher
    _show(output, alerts, watcher.size)
    return (1 if alerts else 0), watcher


def _sends(arguments: argparse.Namespace) -> dict[str, Send]:
    sends: dict[str, Send] = {}
    if arguments.file is not None:
        sends[FILE] = telling.appender(arguments.file)
    if arguments.webhook:
        sends[WEBHOOK] = telling.poster(arguments.webhook)
    return sends


def _show(output: Output, alerts: Sequence[Alert], size: int) -> None:
    output.data({"size": size, "alerts": [each.document() for each in alerts]})
    for each in alerts:
        output.say(f"P{each.level} {each.rule}: {each.en}", f"P{each.level} {each.rule}：{each.zh}")
    if not alerts:
        output.say(f"{size} entries, nothing new is wrong.", f"共 {size} 个条目，无新增异常。")
