"""``hefu audit page``: a link that opens a page of the broker in a browser, once."""

from __future__ import annotations

import argparse

from hefu.terminal.commands import Output, common
from hefu.times import SystemClock

from hefu_audit.commands.words import Commands, directory, sub
from hefu_audit.home import Home


def add(group: Commands) -> None:
    """``page``."""
    text = "print a link that opens the log in a browser, or the page of one contract, once and within five minutes"
    one = common(sub(group, "page", text), _page)
    one.add_argument("agreement", nargs="?", default="", help="the agreement, such as agr-… (default: the whole log)")
    one.add_argument("--catalog", action="store_true", help="the catalog instead")


def _page(arguments: argparse.Namespace) -> int:
    from hefu_audit.clients import broker

    output, home = Output.of(arguments), Home(directory(arguments))
    page = f"agreements/{arguments.agreement}" if arguments.agreement else "catalog" if arguments.catalog else "log"
    with broker.connected(home, home.space(), SystemClock()) as log:
        url = log.page(page)
    output.data({"page": page, "url": url})
    output.say(
        f"{url}\n"
        "It opens once, within five minutes; that browser may then read the page for an hour. Give it to nobody.",
        f"{url}\n该链接五分钟内有效，仅可打开一次；此后该浏览器一小时内可阅读该页面。请勿转交他人。",
    )
    return 0
