"""``hefu contract``: request a contract, approve one, see where each stands, end one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from hefu.terminal.commands import Cell, Output

from hefu_connector.commands import acceptance, aftermath, bargain, browsing, export, pages, show
from hefu_connector.commands.link import call, command, commands, control, named, short
from hefu_connector.commands.show import headings, word
from hefu_connector.workbench.link import contract_name

if TYPE_CHECKING:
    from hefu.v1 import control_pb2
    from hefu.v1.control_pb2_grpc import ControlServiceStub
    from hefu_policies.agreeing.contribution import Contribution


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    group = commands(parser)
    one = command(group, "request", "ask a provider for a contract on one of its offers", _request)
    one.add_argument("product", help="the product's id, such as prd-…")
    one.add_argument("--offer", default="", help="the offer; may be left out where the product has one only")
    one.add_argument("--purpose", required=True, help="what for, such as dpv:ScientificResearch")
    bargain.may_set(one, "another term than the offer's")
    one.add_argument(
        "--with", dest="further", action="append", default=[], metavar="PRODUCT[:OFFER]",
        help="a product of a further provider that signs the same contract; may be given several times",
    )  # fmt: skip
    one.add_argument("--service", default="", metavar="NAME", help="a participant that carries out joint computations")
    _may_wait(one)
    command(group, "list", "list negotiations and agreements, and on whom each waits", _list)
    for name, help_, run in (
        ("show", "show one contract: parties, terms, budget, signatures", _show),
        ("approve", "agree to a request that waits for your approval", _approve),
        ("terminate", "end a negotiation or an agreement; acts at once", _terminate),
    ):
        one = command(group, name, help_, run)
        one.add_argument("contract", help="id of the agreement (agr-…) or negotiation (neg-…)")
        if run is not _terminate:
            _may_wait(one, 0 if run is _show else 5)
    one.add_argument("--reason", required=True, help="why, in a sentence; the other party and the log will have it")
    bargain.add(group, _document, _next_step)
    acceptance.add(group)
    aftermath.add(group)
    export.add(group)
    browsing.add_contract(group)


def _may_wait(parser: argparse.ArgumentParser, seconds: int = 5) -> None:
    parser.add_argument(
        "--wait", type=int, default=seconds, metavar="SECONDS",
        help=f"for the contract to be in force, at most 60 (default {seconds})",
    )  # fmt: skip


def _awaited(stub: ControlServiceStub, made: control_pb2.Contract, seconds: int) -> control_pb2.Contract:
    """The contract once it is in force or over, or as it is when the time is over."""
    if seconds <= 0:
        return made
    found: control_pb2.Contract = call(stub.GetContract, _get(made.name, seconds), _patience(seconds))
    return found


def _get(name: str, seconds: int) -> control_pb2.GetContractRequest:
    from hefu.v1 import control_pb2

    return control_pb2.GetContractRequest(name=name, wait_seconds=min(max(seconds, 0), 60))


def _patience(seconds: int) -> float:
    return seconds + 30.0


def _request(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    further = [each.partition(":") for each in arguments.further]
    request = control_pb2.RequestContractRequest(
        product=named("products", arguments.product),
        offer=arguments.offer,
        purpose=arguments.purpose,
        terms=bargain.terms(arguments.set),
        further=[control_pb2.SoughtOffer(product=named("products", one), offer=offer) for one, _, offer in further],
        service=arguments.service,
    )
    with control(arguments) as stub:
        made = _awaited(stub, call(stub.RequestContract, request), arguments.wait)
    output.data(_document(made))
    output.say(f"Requested: {short(made.name)}.", f"已申请：{short(made.name)}。")
    _next_step(output, made)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    with control(arguments) as stub:
        found = call(stub.ListContracts, control_pb2.ListContractsRequest()).contracts
    output.data({"contracts": [_document(each) for each in found]})
    heads = headings(
        output, ("contract", "合约"), ("state", "状态"), ("provider", "提供方"), ("consumer", "使用方"),
        ("product", "产品"), ("purpose", "目的"), ("waits on", "等待"), ("since", "自"), ("until", "至"),
    )  # fmt: skip
    empty = (
        "尚无合约。请执行：hefu catalog search"
        if output.language == "zh"
        else "No contracts yet. Find a product: hefu catalog search"
    )
    output.table(heads, [_row(output, each) for each in found], empty)
    return 0


def _show(arguments: argparse.Namespace) -> int:

    output = Output.of(arguments)
    with control(arguments) as stub:
        found = call(
            stub.GetContract, _get(contract_name(arguments.contract), arguments.wait), _patience(arguments.wait)
        )
    output.data(_document(found))
    if not output.as_json:
        _page(output, found)
        if found.agreement_name:
            aftermath.tell(output, arguments, found.agreement_name)
        _next_step(output, found)
    return 0


def _approve(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    with control(arguments) as stub:
        made = call(stub.ApproveContract, control_pb2.ApproveContractRequest(name=contract_name(arguments.contract)))
        made = _awaited(stub, made, arguments.wait)
    output.data(_document(made))
    output.say(f"Agreed and signed: {_id(made)}.", f"已同意并签署：{_id(made)}。")
    _next_step(output, made)
    return 0


def _terminate(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    request = control_pb2.TerminateContractRequest(name=contract_name(arguments.contract), reason=arguments.reason)
    with control(arguments) as stub:
        made = call(stub.TerminateContract, request)
    output.data(_document(made))
    output.say(f"Ended: {_id(made)}. What was spent stays spent.", f"已终止：{_id(made)}。已用额度不会恢复。")
    return 0


def _id(contract: control_pb2.Contract) -> str:
    return short(contract.agreement_name) or short(contract.name)


def _row(output: Output, contract: control_pb2.Contract) -> tuple[Cell, ...]:
    waits: tuple[Cell, ...] = ("", "", "")
    if contract.HasField("waiting"):
        waits = show.waiting_cells(output, contract.waiting)
    return (
        _id(contract), _state(output, contract), contract.provider, contract.consumer, short(contract.product),
        contract.purpose, *waits,
    )  # fmt: skip


def _state(output: Output, contract: control_pb2.Contract) -> str:
    from hefu.v1 import control_pb2

    return show.state(output, control_pb2.Contract.State.Name(contract.state))


_VERDICTS = {1: "inside_offer", 2: "inside_limits", 3: "beyond"}


def _document(contract: control_pb2.Contract) -> dict[str, object]:
    from hefu.envelope import Statement
    from hefu.v1 import control_pb2

    agreement = Statement.parse(contract.agreement.envelope).body if contract.HasField("agreement") else None
    return {
        "negotiation": short(contract.name),
        "agreement": short(contract.agreement_name) or None,
        "state": control_pb2.Contract.State.Name(contract.state).removeprefix("STATE_").lower(),
        "provider": contract.provider,
        "consumer": contract.consumer,
        "product": short(contract.product),
        "offer": contract.offer,
        "purpose": contract.purpose,
        "updated": contract.update_time,
        "waiting": show.waiting_document(contract.waiting) if contract.HasField("waiting") else None,
        "balance": show.balance_document(contract.balance) if contract.HasField("balance") else None,
        "reason": contract.reason or None,
        "round": contract.round or None,
        "changes": bargain.change_documents(contract.terms),
        "verdict": _VERDICTS.get(contract.verdict),
        "lacking": [{"code": each.code, "about": each.about} for each in contract.lacking],
        "terms": agreement,
    }


def _brought(output: Output, one: Contribution) -> tuple[tuple[str, str], str]:
    """What a further provider brings, in a line."""
    budget = pages.budget_text(output, one.budget)
    return ("with", "共同方"), f"{one.provider}: {one.product} ({word(output, 'offer', '报价')} {one.offer}), {budget}"


def _page(output: Output, contract: control_pb2.Contract) -> None:
    from hefu.envelope import Statement
    from hefu_policies.agreeing.contract import Agreement

    output.say(f"{_id(contract)}   {_state(output, contract)}")
    pairs = [
        (("negotiation", "协商"), short(contract.name)),
        (("provider", "提供方"), contract.provider),
        (("consumer", "使用方"), contract.consumer),
        (("product", "产品"), f"{short(contract.product)} ({word(output, 'offer', '报价')} {contract.offer})"),
        (("purpose", "目的"), contract.purpose),
        (("last change", "最近变更"), show.when(contract.update_time)),
        (("reason", "原因"), contract.reason),
    ]
    if contract.HasField("agreement"):
        statement = Statement.parse(contract.agreement.envelope)
        terms = Agreement.of(statement.body)
        pairs += [
            (("in force", "有效期"), f"{terms.not_before:%Y-%m-%d} … {terms.not_after:%Y-%m-%d}"),
            (("budget", "额度"), pages.budget_text(output, terms.budget)),
            *(_brought(output, each) for each in terms.further),
            (("signed by", "签署"), ", ".join(each.key for each in statement.signatures)),
            (("digest", "摘要"), statement.digest()),
        ]
    if contract.HasField("balance"):
        pairs.append((("spent", "已用"), show.balance_sentence(output, contract.balance)))
    for (en, zh), text in pairs:
        if text:
            output.say(f"  {en}: {text}", f"  {zh}：{text}")
    bargain.table(output, contract)
    if contract.HasField("agreement"):
        for strategy in terms.strategies:
            output.say(f"\nEnforced by {strategy.enforced_by}:", f"\n由 {strategy.enforced_by} 执行：")
            for line in pages.policy_lines(output, strategy.policy):
                output.say(f"  {line}")


def _next_step(output: Output, contract: control_pb2.Contract) -> None:
    from hefu.v1 import control_pb2

    if contract.state == control_pb2.Contract.STATE_ACTIVE:
        output.say(
            f'Next: hefu compute query "SELECT …" --contract {_id(contract)} --epsilon 0.1',
            f'下一步：hefu compute query "SELECT …" --contract {_id(contract)} --epsilon 0.1',
        )
    elif contract.HasField("waiting"):
        whom, since, until = show.waiting_cells(output, contract.waiting)
        mine = contract.waiting.kind == control_pb2.Waiting.KIND_APPROVAL and contract.waiting.on == "you"
        yes = "approve" if contract.state == control_pb2.Contract.STATE_REQUESTED else "accept"
        step = f"hefu contract {yes if mine else 'show'} {short(contract.name)}"
        step += ", counter, reject" if mine else ""
        output.say(
            f"Waits on {whom} since {since}, until {until}. Next: {step}",
            f"自 {since} 起等待 {whom}，至 {until}。下一步：{step}",
        )
