"""``hefu release`` and ``hefu budget``: what left, and what may still be spent."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from hefu.commands import Cell, Output

from hefu_connector.commands import show
from hefu_connector.commands.link import call, command, commands, control, named, short
from hefu_connector.commands.show import headings, word

if TYPE_CHECKING:
    from hefu.v1 import control_pb2


def add_release(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands of ``hefu release``."""
    group = commands(parser)
    one = command(group, "list", "list what left, to whom, under which clause, and what was refused", _releases)
    one.add_argument("--limit", type=int, default=50, help="at most so many, newest first (default: 50)")


def add_budget(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands of ``hefu budget``."""
    group = commands(parser)
    one = command(group, "show", "show what is granted, spent and left, by asset and by contract", _budgets)
    one.add_argument("contract", nargs="?", default="", help="only this agreement (agr-…) or asset (res-…)")


def _releases(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    found: list[control_pb2.Release] = []
    request = control_pb2.ListReleasesRequest(page_size=min(arguments.limit, 1000))
    with control(arguments) as stub:
        while len(found) < arguments.limit:
            page = call(stub.ListReleases, request)
            found.extend(page.releases)
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
    found = found[: arguments.limit]
    output.data({"releases": [_document(each) for each in found]})
    heads = headings(
        output, ("time", "时间"), ("computation", "计算"), ("state", "状态"), ("to", "接收方"), ("contract", "合约"),
        ("clause", "条款"), ("cells", "单元格"), ("ε", "ε"), ("δ", "δ"), ("delivered", "交付"), ("deleted", "删除"),
    )  # fmt: skip
    empty = word(output, "Nothing has left, and nothing was asked.", "尚无任何发布或请求。")
    output.table(heads, [_row(output, each) for each in found], empty)
    return 0


def _row(output: Output, release: control_pb2.Release) -> tuple[Cell, ...]:
    from hefu.v1 import computation_pb2

    to = f"{release.consumer} ({release.user})" if release.user else release.consumer
    return (
        show.when(release.update_time), short(release.name),
        show.state(output, computation_pb2.Computation.State.Name(release.state)), to, short(release.agreement),
        release.clause, release.cells, show.epsilon(release.charge), show.delta(release.charge),
        release.processing, _deleted(output, release),
    )  # fmt: skip


def _deleted(output: Output, release: control_pb2.Release) -> str:
    """Since when a delivery is deleted, or until when it must be."""
    from hefu.envelope import Statement
    from hefu.times import write_time

    if not release.processing:
        return ""
    if release.HasField("deletion"):
        return show.when(write_time(Statement.parse(release.deletion.envelope).time))
    return word(output, "not yet, due ", "尚未，期限 ") + show.when(release.delete_by_time)


def _delivery(release: control_pb2.Release) -> dict[str, object] | None:
    from hefu.envelope import Statement

    if not release.processing:
        return None
    proof = Statement.parse(release.deletion.envelope) if release.HasField("deletion") else None
    return {
        "processing": release.processing,
        "delete_by": release.delete_by_time,
        "deleted": proof is not None,
        "cause": str(proof.body.get("cause")) if proof else None,
        "proof": proof.id if proof else None,
    }


def _document(release: control_pb2.Release) -> dict[str, object]:
    from hefu.v1 import computation_pb2

    return {
        "computation": short(release.name),
        "state": computation_pb2.Computation.State.Name(release.state).removeprefix("STATE_").lower(),
        "consumer": release.consumer,
        "user": release.user,
        "agreement": short(release.agreement),
        "product": short(release.product),
        "clause": release.clause,
        "reasons": list(release.reasons),
        "charge": show.loss_document(release.charge),
        "cells": release.cells,
        "delivery": _delivery(release),
        "created": release.create_time,
        "updated": release.update_time,
    }


def _budgets(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    with control(arguments) as stub:
        found = call(stub.ListBalances, control_pb2.ListBalancesRequest()).balances
    wanted = short(named("agreements", arguments.contract)) if arguments.contract else ""
    found = [each for each in found if not wanted or short(each.account) == wanted]
    output.data({"accounts": [show.balance_document(each) for each in found]})
    heads = headings(
        output, ("account", "账户"), ("about", "对象"), ("granted ε", "授予 ε"), ("spent ε", "已用 ε"),
        ("left ε", "剩余 ε"), ("left δ", "剩余 δ"), ("releases left", "剩余次数"),
    )  # fmt: skip
    empty = word(output, "No budget is granted yet.", "尚未授予任何额度。")
    output.table(heads, [_balance_row(each) for each in found], empty)
    return 0


def _balance_row(balance: control_pb2.Balance) -> tuple[Cell, ...]:
    left, releases = show.remaining(balance)
    return (
        balance.account, balance.title, show.epsilon(balance.limit), show.epsilon(balance.charged),
        show.epsilon(left), show.delta(left), releases,
    )  # fmt: skip
