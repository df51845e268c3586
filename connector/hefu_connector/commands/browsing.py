"""``hefu contract page`` and ``hefu catalog page``: a link that opens a page of the broker in a browser, once."""

from __future__ import annotations

import argparse

from hefu.terminal.commands import Output

from hefu_connector.commands.link import Commands, call, command, control
from hefu_connector.workbench.link import contract_name

_HELP = "print a link that opens {} in a browser, once and within five minutes"


def add_contract(group: Commands) -> None:
    """Add ``page`` to ``hefu contract``."""
    one = command(group, "page", _HELP.format("the page of a contract"), _contract)
    one.add_argument("contract", help="id of the agreement (agr-…) or negotiation (neg-…)")


def add_catalog(group: Commands) -> None:
    """Add ``page`` to ``hefu catalog``."""
    one = command(group, "page", _HELP.format("the catalog"), _catalog)
    one.add_argument("--log", action="store_true", help="the log instead, with what you may read of it")


def _contract(arguments: argparse.Namespace) -> int:
    return _open(arguments, contract_name(arguments.contract))


def _catalog(arguments: argparse.Namespace) -> int:
    return _open(arguments, "log" if arguments.log else "catalog")


def _open(arguments: argparse.Namespace, page: str) -> int:
    from hefu.v1 import page_pb2

    output = Output.of(arguments)
    with control(arguments) as stub:
        url = call(stub.OpenPage, page_pb2.OpenPageRequest(page=page)).url
    output.data({"page": page, "url": url})
    output.say(
        f"{url}\n"
        "It opens once, within five minutes; that browser may then read the page for an hour. Give it to nobody.",
        f"{url}\n该链接五分钟内有效，仅可打开一次；此后该浏览器一小时内可阅读该页面。请勿转交他人。",
    )
    return 0
