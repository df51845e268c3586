"""What a regulator does under the charter's mandate: its filing key, openings of what is filed, orders."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager

from hefu import canonical
from hefu.checking import verify
from hefu.envelope import Statement
from hefu.membership.mandate import SCOPES, Order
from hefu.statements import filing
from hefu.terminal.commands import Output, common
from hefu.times import SystemClock, read_time, write_time
from hefu.tlog.note import VerifierKey

from hefu_audit.commands.words import Commands, directory, reported, sub
from hefu_audit.home import Home
from hefu_audit.mandate import Opened, Regulator
from hefu_audit.ports import Mandated


def add(group: Commands) -> None:
    """``key``, ``open``, ``orders suspend|lift|list``."""
    common(sub(group, "key", "print the filing key that the charter names for this regulator"), _key)

    one = common(sub(group, "open", "open what a contract files for regulators; that is logged first"), _open)
    one.add_argument("name", help="an agreement (agr-…), or one computation (cmp-…)")
    one.add_argument("--reason", required=True, metavar="TEXT", help="why; the log and the parties are told")
    one.add_argument("--basis", required=True, metavar="TEXT", help="the law or rule it rests on; they are told")
    one.set_defaults(bundle=None)

    text = "order the suspension of a contract, a participant or a product, and lift it"
    orders = group.add_parser("orders", help=text, description=text).add_subparsers(metavar="COMMAND", required=True)
    one = common(sub(orders, "suspend", "order that nothing is done under it until the order is lifted"), _suspend)
    one.add_argument("scope", choices=SCOPES, help="what kind of thing it is")
    one.add_argument("subject", help="its id")
    one.add_argument("--reason", required=True, metavar="TEXT", help="why; everybody in the space is told")
    one.add_argument("--basis", required=True, metavar="TEXT", help="the law or rule it rests on; everybody is told")
    one.add_argument("--until", metavar="TIME", help="RFC 3339, when it ends by itself (default: when it is lifted)")
    one = common(sub(orders, "lift", "lift an order of this regulator"), _lift)
    one.add_argument("order", help="its digest, as hefu audit orders list shows it")
    one.add_argument("--reason", required=True, metavar="TEXT", help="why; everybody in the space is told")
    common(sub(orders, "list", "list the orders of the space"), _list)


def _key(arguments: argparse.Namespace) -> int:
    output, home = Output.of(arguments), Home(directory(arguments))
    line = f"{home.ring().participant}={filing.public(home.filing())}"
    output.data({"filing": line})
    output.say(
        f"Filing key: {line}\nThe root's holder names it: hefu broker charter set --filing {line}",
        f"归档密钥：{line}\n由根密钥持有者写入章程：hefu broker charter set --filing {line}",
    )
    return 0


def _open(arguments: argparse.Namespace) -> int:
    from hefu_audit import mandate

    output, home = Output.of(arguments), Home(directory(arguments))
    record = reported(arguments).record
    with _mandated(home) as (regulator, broker):
        index, found = mandate.open_filed(regulator, broker, record, arguments.name, arguments.reason, arguments.basis)
    kept = [_evidence(home, each) for each in found if each.evidence is not None]
    output.data({"access": index, "opened": [each.document() for each in found], "evidence": kept})
    output.say(f"Logged as entry {index} before anything was shown.", f"已先记入日志第 {index} 条，随后方予显示。")
    for each in found:
        _show(output, each)
    for path in kept:
        output.say(f"Evidence is kept in {path}", f"证据已存于 {path}")
    return 1 if any(each.faults for each in found) else 0


def _show(output: Output, one: Opened) -> None:
    output.say(f"entry {one.logged.index}  {one.logged.type}  {one.end.computation}")
    if one.erased:
        output.say("  erased, or not handed in", "  已删除，或尚未提交")
    for fault in one.faults:
        output.say(f"  FAULT {fault}", f"  异常 {fault}")
    if one.openings is not None:
        document = one.document()
        for name in ("values", "request"):
            shown = json.dumps(document[name], ensure_ascii=False, sort_keys=True)
            output.say(f"  {name}: {verify.plain(shown)}")


def _evidence(home: Home, one: Opened) -> str:
    return home.evidence(f"filed-{canonical.digest(canonical.encode(one.evidence))[7:23]}.json", one.evidence)


def _suspend(arguments: argparse.Namespace) -> int:
    from hefu_audit import mandate

    until = read_time(arguments.until) if arguments.until else None
    order = Order(arguments.scope, arguments.subject, arguments.reason, arguments.basis, until)
    with _mandated(Home(directory(arguments))) as (regulator, broker):
        made, index = mandate.suspend(regulator, broker, order)
    return _told(arguments, made.digest(), index)


def _lift(arguments: argparse.Namespace) -> int:
    from hefu_audit import mandate

    with _mandated(Home(directory(arguments))) as (regulator, broker):
        _, index = mandate.lift(regulator, broker, arguments.order, arguments.reason)
    return _told(arguments, arguments.order, index)


def _told(arguments: argparse.Namespace, order: str, index: int) -> int:
    output = Output.of(arguments)
    output.data({"order": order, "entry": index})
    output.say(f"{order}\nIt stands in the log as entry {index}.", f"{order}\n已记入日志第 {index} 条。")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from hefu_audit import mandate

    output, after = Output.of(arguments), 0
    found: list[Statement] = []
    with _mandated(Home(directory(arguments))) as (_, broker):
        while page := broker.orders(after)[1]:
            found += page
            after += len(page)
    rows = [
        (
            each.digest(),
            each.issuer,
            order.scope,
            order.subject,
            write_time(each.time),
            _state(order, lifted),
            order.reason,
        )
        for each, order, lifted in mandate.listed(found)
    ]
    names = ("order", "regulator", "scope", "subject", "since", "state", "reason")
    output.data({"orders": [dict(zip(names, row, strict=True)) for row in rows]})
    output.table(names, [tuple(map(verify.plain, row)) for row in rows])
    return 0


def _state(order: Order, lifted: bool) -> str:
    if lifted:
        return "lifted"
    return "over" if order.until is not None and order.until <= SystemClock().now() else "in force"


@contextmanager
def _mandated(home: Home) -> Iterator[tuple[Regulator, Mandated]]:
    from hefu_audit.clients import broker
    from hefu_audit.clients.mandate import MandateClient

    space, ring, clock = home.space(), home.ring(), SystemClock()
    key = VerifierKey.parse(space.log_key)
    regulator = Regulator(ring.participant, space.space, ring.signer(), home.filing(), key, clock)
    with broker.connected(home, space, clock) as log:
        yield regulator, MandateClient(log.channel)
