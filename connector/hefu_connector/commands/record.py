"""``hefu release`` and ``hefu budget``: what left, and what may still be spent."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from hefu.terminal.commands import Cell, Output

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
    one = command(
        group,
        "show",
        "show what is granted, spent and left, by asset and by contract; with uses, time and money",
        _budgets,
    )
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
        answer = call(stub.ListBalances, control_pb2.ListBalancesRequest())
    wanted = short(named("agreements", arguments.contract)) if arguments.contract else ""
    found = [each for each in answer.balances if not wanted or short(each.account) == wanted]
    meters = [each for each in answer.meters if not wanted or short(each.agreement) == wanted]
    output.data(
        {
            "accounts": [show.balance_document(each) for each in found],
            "meters": [_meter_document(each) for each in meters],
        }
    )
    heads = headings(
        output, ("account", "账户"), ("about", "对象"), ("granted ε", "授予 ε"), ("spent ε", "已用 ε"),
        ("left ε", "剩余 ε"), ("left δ", "剩余 δ"), ("releases left", "剩余次数"),
    )  # fmt: skip
    empty = word(output, "No budget is granted yet.", "尚未授予任何额度。")
    output.table(heads, [_balance_row(each) for each in found], empty)
    if meters:
        output.say("\nUses, time and money:", "\n次数、时长与金额：")
        heads = headings(
            output, ("contract", "合约"), ("counted", "计量"), ("in each", "时间窗"), ("used", "已用"),
            ("left", "剩余"), ("last used", "上次使用"),
        )  # fmt: skip
        output.table(heads, [_meter_row(output, each) for each in meters])
    return 0


def _meter_row(output: Output, meter: control_pb2.Meter) -> tuple[Cell, ...]:
    from hefu_policies.words.terms import OPERANDS

    operand = OPERANDS[meter.operand]
    left = _amount(output, meter, max(0, meter.limit - meter.taken)) if meter.HasField("limit") else "–"
    return (
        short(meter.agreement), word(output, operand.en, operand.zh), meter.window, _amount(output, meter, meter.taken),
        left, show.when(meter.last_time),
    )  # fmt: skip


def _amount(output: Output, meter: control_pb2.Meter, amount: int) -> str:
    """An amount in the unit that people count in: whole uses, seconds, or money with its decimals."""
    from decimal import Decimal

    from hefu_connector.allowances import MILLISECONDS, USES
    from hefu_connector.computing.usage import digits

    if meter.unit == USES:
        return str(amount)
    if meter.unit == MILLISECONDS:
        seconds = f"{Decimal(amount) / 1000:.3f}".rstrip("0").rstrip(".")
        return word(output, f"{seconds} s", f"{seconds} 秒")
    return f"{Decimal(amount).scaleb(-digits(meter.unit)):f} {meter.unit}"


def _meter_document(meter: control_pb2.Meter) -> dict[str, object]:
    limit = meter.limit if meter.HasField("limit") else None
    return {
        "agreement": short(meter.agreement),
        "title": meter.title,
        "operand": meter.operand,
        "unit": meter.unit,
        "window": meter.window,
        "taken": meter.taken,
        "limit": limit,
        "remaining": None if limit is None else max(0, limit - meter.taken),
        "last": meter.last_time or None,
    }


def _balance_row(balance: control_pb2.Balance) -> tuple[Cell, ...]:
    left, releases = show.remaining(balance)
    return (
        balance.account, balance.title, show.epsilon(balance.limit), show.epsilon(balance.charged),
        show.epsilon(left), show.delta(left), releases,
    )  # fmt: skip
