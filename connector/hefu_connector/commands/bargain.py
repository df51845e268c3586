"""``hefu contract offer, queue, counter, accept, reject, history``: terms go to and fro until both sides agree."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from hefu.errors import Malformed
from hefu.terminal.commands import Cell, Output, pick

from hefu_connector.commands import show
from hefu_connector.commands.link import call, command, control, named, short
from hefu_connector.commands.show import headings, word

if TYPE_CHECKING:
    from hefu.v1 import control_pb2

Told = Callable[[Output, "control_pb2.Contract"], None]
_MOVES = {
    "requested": ("asks", "申请"), "offered": ("offers other terms", "还价"), "accepted": ("accepts", "接受"),
    "agreed": ("draws up and signs", "起草并签署"), "verified": ("verifies and signs", "核验并签署"),
    "finalized": ("confirms", "确认"), "terminated": ("ends it", "终止"),
}  # fmt: skip
_ORDERS = {
    "ORDER_NARROWER": ("narrower", "更严"), "ORDER_WIDER": ("wider", "更宽"), "ORDER_OTHER": ("other", "不同"),
    "ORDER_SAME": ("as offered", "同报价"),
}  # fmt: skip
_VERDICTS = {
    "VERDICT_INSIDE_OFFER": ("inside your offer", "在报价之内"),
    "VERDICT_INSIDE_LIMITS": ("inside your limits", "在底线之内"),
    "VERDICT_BEYOND": ("beyond your limits", "超出底线"),
}

_LACKING = {
    "price": ("costs {about}", "需支付 {about}"),
    "duty": ("demands {about}", "要求 {about}"),
    "computation": ("does not permit {about}", "不允许 {about}"),
    "delivery": ("delivers data", "含数据交付"),
    "least": ("{about} is too narrow", "{about} 过窄"),
    "provider": ("{about} was not asked", "并未向 {about} 申请"),
    "purpose": ("no purpose is set", "未设定使用目的"),
    "contracts": ("as many as may be were accepted", "自动接受的份数已满"),
}


def add(group: Any, document: Callable[[control_pb2.Contract], dict[str, object]], next_step: Told) -> None:
    """Add the subcommands to those of ``hefu contract``."""
    told: dict[str, Any] = {"document": document, "next_step": next_step}
    counter, accept = partial(_counter, **told), partial(_accept, **told)
    reject = partial(_reject, document=document)
    _may_offer(command(group, "offer", "offer a product of yours to a named consumer", partial(_offer, **told)))
    queue = partial(_queue, document=document)
    command(group, "queue", "list what waits for your decision: requests, offers and counter-offers", queue)
    for name, help_, run in (
        ("counter", "answer a request or a counter-offer with other terms", counter),
        ("accept", "accept a provider's offer or counter-offer as it stands", accept),
        ("reject", "end a negotiation that waits for you", reject),
        ("history", "show every round: who, when, what, before and after", _history),
    ):
        one = command(group, name, help_, run)
        one.add_argument("contract", help="id of the negotiation (neg-…)")
        if run is counter:
            may_set(one, "a term and its new value; the others stay as the other side has them", required=True)
        if run in (counter, accept):
            one.add_argument("--purpose", default="", help="what for; where the provider began with an offer to you")
        if run in (counter, reject):
            one.add_argument("--reason", default="", help="why, in a sentence; the other party has it")


def _may_offer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("product", help="the product's id, such as prd-…")
    parser.add_argument("--to", required=True, metavar="NAME", help="the consumer to whom you offer it")
    parser.add_argument("--offer", default="", help="the offer; may be left out where the product has one only")
    may_set(parser, "another term than the published offer's, for this consumer alone")
    parser.add_argument("--reason", default="", help="why, in a sentence; the other party has it")


def may_set(parser: argparse.ArgumentParser, help_: str, *, required: bool = False) -> None:
    """Add ``--set``, which may be given many times."""
    more = ", such as epsilon=0.8, valid_days=90, column=age,region or budget=4; may be given many times"
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help=help_ + more, required=required
    )


def terms(given: Iterable[str]) -> dict[str, str]:
    """What ``--set`` was given, by name.

    Raises:
        Malformed: one is no ``name=value``, or a name is given twice.
    """
    found: dict[str, str] = {}
    for each in given:
        name, sign, value = each.partition("=")
        if not sign or not name or name in found:
            raise Malformed("changes.set", given=each[:60])
        found[name.strip()] = value.strip()
    return found


def change_rows(output: Output, changes: Iterable[control_pb2.TermChange]) -> list[tuple[Cell, ...]]:
    """A line each term: what it is, before, after, and how it stands to the published offer."""
    from hefu.v1 import control_pb2

    return [
        (
            each.name,
            pick(dict(each.titles), output.language),
            each.before,
            each.after,
            word(output, *_ORDERS.get(control_pb2.TermChange.Order.Name(each.order), ("", ""))),
        )
        for each in changes
    ]


def change_headings(output: Output) -> list[str]:
    """What `change_rows` shows."""
    return headings(
        output, ("term", "条款"), ("meaning", "含义"), ("before", "原值"), ("after", "新值"), ("offer", "与报价相比"),
    )  # fmt: skip


def change_documents(changes: Iterable[control_pb2.TermChange]) -> list[dict[str, object]]:
    """For machines."""
    from hefu.v1 import control_pb2

    return [
        {
            "term": each.term,
            "name": each.name,
            "before": each.before,
            "after": each.after,
            "order": control_pb2.TermChange.Order.Name(each.order).removeprefix("ORDER_").lower(),
        }
        for each in changes
    ]


def table(output: Output, contract: control_pb2.Contract) -> None:
    """Print what is on the table, where it differs from the offer."""
    if not contract.terms:
        return
    judged = shortfalls(output, contract.lacking) or verdict(output, contract)
    output.say(
        f"\nOn the table, round {contract.round}" + (f" ({judged}):" if judged else ":"),
        f"\n当前条款，第 {contract.round} 轮" + (f"（{judged}）：" if judged else "："),
    )
    output.table(change_headings(output), change_rows(output, contract.terms))


def verdict(output: Output, contract: control_pb2.Contract) -> str:
    """Where a request stands; empty for whoever need not decide."""
    from hefu.v1 import control_pb2

    return word(output, *_VERDICTS.get(control_pb2.Contract.Verdict.Name(contract.verdict), ("", "")))


def shortfalls(output: Output, found: Iterable[control_pb2.Shortfall]) -> str:
    """Why an offer is not accepted by itself, in a few words; empty where nothing stands in its way."""
    sentences = [word(output, *_LACKING.get(each.code, (each.code, each.code))).format(about=each.about)
                 for each in found]  # fmt: skip
    return word(output, "; ", "；").join(sentences)


def _queue(arguments: argparse.Namespace, document: Callable[[control_pb2.Contract], dict[str, object]]) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    with control(arguments) as stub:
        found = call(stub.ListContracts, control_pb2.ListContractsRequest()).contracts
    mine = [each for each in found if _waits_for_us(each)][::-1]
    output.data({"contracts": [document(each) for each in mine]})
    heads = headings(
        output, ("negotiation", "协商"), ("round", "轮次"), ("from", "来自"), ("product", "产品"), ("asked", "要求"),
        ("it is", "判断"), ("since", "自"),
    )  # fmt: skip
    empty = word(output, "Nothing waits for you.", "没有待您处理的事项。")
    output.table(heads, [_queued(output, each) for each in mine], empty)
    if mine:
        one = short(mine[0].name)
        provides = mine[0].state == control_pb2.Contract.STATE_REQUESTED
        yes = f"{'approve' if provides else 'accept'} {one}"
        unasked = not (provides or mine[0].purpose)
        what, zh = (" --purpose IRI", " --purpose 目的") if unasked else ("", "")
        output.say(
            f"\nNext: hefu contract {yes}{what}, or counter {one}{what} --set NAME=VALUE, or reject {one} --reason WHY",
            f"\n下一步：hefu contract {yes}{zh}，或 counter {one}{zh} --set 名称=值，或 reject {one} --reason 原因",
        )
    return 0


def _waits_for_us(contract: control_pb2.Contract) -> bool:
    from hefu.v1 import control_pb2

    waiting = contract.waiting
    return contract.HasField("waiting") and waiting.kind == control_pb2.Waiting.KIND_APPROVAL and waiting.on == "you"


def _queued(output: Output, contract: control_pb2.Contract) -> tuple[Cell, ...]:
    from hefu.v1 import control_pb2

    provides = contract.state == control_pb2.Contract.STATE_REQUESTED
    other = contract.consumer if provides else contract.provider
    asked = "; ".join(f"{each.name} {each.before} → {each.after}" for each in contract.terms)
    plain = word(output, "the offer as it stands", "按报价原样")
    answer = word(output, "a counter-offer", "还价") if contract.round else word(output, "an offer to you", "主动报价")
    judged = shortfalls(output, contract.lacking) or verdict(output, contract) or answer
    return (
        short(contract.name), contract.round, other, short(contract.product), asked or plain, judged,
        show.when(contract.waiting.since_time),
    )  # fmt: skip


def _offer(
    arguments: argparse.Namespace, document: Callable[[control_pb2.Contract], dict[str, object]], next_step: Told
) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    request = control_pb2.OfferContractRequest(
        product=named("products", arguments.product), offer=arguments.offer, consumer=arguments.to,
        terms=terms(arguments.set), reason=arguments.reason,
    )  # fmt: skip
    with control(arguments) as stub:
        made = call(stub.OfferContract, request)
    output.data(document(made))
    output.say(f"Offered to {made.consumer}: {short(made.name)}.", f"已向 {made.consumer} 报价：{short(made.name)}。")
    output.table(change_headings(output), change_rows(output, made.terms))
    next_step(output, made)
    return 0


def _counter(
    arguments: argparse.Namespace, document: Callable[[control_pb2.Contract], dict[str, object]], next_step: Told
) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    request = control_pb2.CounterContractRequest(
        name=named("negotiations", arguments.contract), terms=terms(arguments.set), reason=arguments.reason,
        purpose=arguments.purpose,
    )  # fmt: skip
    with control(arguments) as stub:
        made = call(stub.CounterContract, request)
    output.data(document(made))
    output.say(f"Answered with other terms: {short(made.name)}.", f"已还价：{short(made.name)}。")
    output.table(change_headings(output), change_rows(output, made.terms))
    next_step(output, made)
    return 0


def _accept(
    arguments: argparse.Namespace, document: Callable[[control_pb2.Contract], dict[str, object]], next_step: Told
) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    with control(arguments) as stub:
        name = named("negotiations", arguments.contract)
        made = call(stub.AcceptContract, control_pb2.AcceptContractRequest(name=name, purpose=arguments.purpose))
        made = call(stub.GetContract, control_pb2.GetContractRequest(name=made.name, wait_seconds=5), 40.0)
    output.data(document(made))
    output.say(f"Accepted: {short(made.name)}.", f"已接受：{short(made.name)}。")
    next_step(output, made)
    return 0


def _reject(arguments: argparse.Namespace, document: Callable[[control_pb2.Contract], dict[str, object]]) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    reason = arguments.reason or word(output, "not on these terms", "条款不可接受")
    request = control_pb2.TerminateContractRequest(name=named("negotiations", arguments.contract), reason=reason)
    with control(arguments) as stub:
        made = call(stub.TerminateContract, request)
    output.data(document(made))
    output.say(
        f"Ended: {short(made.name)}. The other side has the reason.", f"已终止：{short(made.name)}。对方已获知原因。"
    )
    return 0


def _history(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    kind = "negotiations" if arguments.contract.startswith(("neg-", "negotiations/")) else "agreements"
    request = control_pb2.ListContractRoundsRequest(name=named(kind, arguments.contract))
    with control(arguments) as stub:
        found = call(stub.ListContractRounds, request).rounds
    output.data({"rounds": [_round_document(each) for each in found]})
    for each in found:
        who = f"{each.participant} ({each.user})" if each.user else each.participant
        what = word(output, *_MOVES.get(each.move, (each.move, each.move)))
        output.say(f"{each.number}. {show.when(each.time)}  {who}: {what}")
        for name, meaning, before, after, order in change_rows(output, each.changes):
            output.say(f"     {name} ({meaning}): {before} → {after}  [{order}]")
        if each.reason:
            output.say(f"     “{each.reason}”")
    return 0


def _round_document(found: control_pb2.ContractRound) -> dict[str, object]:
    return {
        "number": found.number,
        "move": found.move,
        "participant": found.participant,
        "user": found.user or None,
        "time": found.time,
        "changes": change_documents(found.changes),
        "reason": found.reason or None,
    }
