"""``hefu compute``: ask private statistics, with the error and the cost told before and after."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hefu.errors import Malformed, NotFound
from hefu.terminal.commands import Cell, Output

from hefu_connector.commands import answers, sample, score, several, show, total
from hefu_connector.commands.link import call, command, commands, control, named, short
from hefu_connector.commands.show import headings, word
from hefu_connector.workbench import frames, questions, tables

if TYPE_CHECKING:
    from hefu.v1 import computation_pb2, control_pb2
    from hefu.v1.control_pb2_grpc import ControlServiceStub
    from hefu_policies.goods.product import Description

    from hefu_connector.computing.computation import Plan


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    group = commands(parser)
    one = command(group, "query", "ask a query under a contract, and print the answer with its error and cost", _query)
    _add_question(one)
    where = one.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--contract", action="append",
        help="the agreement, such as agr-…; given several times, each provider is asked and the answers are combined",
    )  # fmt: skip
    where.add_argument(
        "--try", dest="tried", type=Path, metavar="SAMPLE",
        help="try it on a synthetic sample of hefu compute sample; nothing is asked or charged",
    )  # fmt: skip
    one.add_argument("--joined", default="", help="the agreement on the product that the query joins, such as agr-…")
    of_several(one)
    one.add_argument("--purpose", default="", help="what for (default: the contract's purpose)")
    one.add_argument("--no-wait", action="store_true", help="send it and return; see hefu compute watch")
    score.add(group)
    total.add(
        command(group, "total", "ask several providers for one total of which nobody sees a part", total.run)
    )  # fmt: skip
    sample.add(command(group, "sample", "have synthetic rows drawn from noised counts, to try queries on", sample.run))
    one = command(
        group, "estimate", "tell cost and expected error of a query; needs an offer only, charges nothing", _estimate
    )
    _add_question(one)
    where = one.add_mutually_exclusive_group(required=True)
    where.add_argument("--product", help="the data product, such as prd-…")
    where.add_argument("--contract", help="an agreement, such as agr-…")
    one = command(group, "show", "show one computation with its answer; without an id, list all", _show)
    one.add_argument("computation", nargs="?", default="", help="id of the computation (cmp-…)")
    one.add_argument(
        "--receipt", type=Path, metavar="FILE", help="write its receipt there too, as hefu verify reads it"
    )
    one.add_argument("--format", choices=frames.FORMS, help="write its table too, with intervals and metadata")
    one.add_argument("--output", "-o", type=Path, metavar="FILE", help="a new file for the table")
    one = command(group, "watch", "follow a computation until it ends, then show it", _watch)
    one.add_argument("computation", help="id of the computation (cmp-…)")
    one = command(group, "cancel", "stop a computation; what was charged stays charged", _cancel)
    one.add_argument("computation", help="id of the computation (cmp-…)")


def _add_question(parser: argparse.ArgumentParser) -> None:
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("query", nargs="?", help='SQL, such as "SELECT sex, COUNT(*) FROM data GROUP BY sex"')
    asked.add_argument("--file", metavar="PLAN.json", help="the typed plan instead of SQL")
    parser.add_argument("--epsilon", help="privacy loss to spend, such as 0.5 (needed with SQL)")
    parser.add_argument(
        "--exact", action="store_true",
        help="without noise and without differential privacy, where the contract permits it; costs one exact release",
    )  # fmt: skip
    parser.add_argument("--delta", default="0", help="δ to spend (default: 0)")
    parser.add_argument(
        "--target-error",
        metavar="ERROR",
        help="pick the least loss at which no answer is further off (95 %%), such as 2%% or 50; "
        "--epsilon or --rho is then the most to spend",
    )
    parser.add_argument("--rho", help="ρ to spend instead of ε, where the contract counts in ρ, such as 0.01")


def _query(arguments: argparse.Namespace) -> int:
    if arguments.tried:
        return sample.attempt(arguments)
    if arguments.exact and (arguments.epsilon or arguments.rho or len(arguments.contract) > 1):
        raise Malformed("exact.options")
    if len(arguments.contract) > 1:
        if arguments.joined:
            raise Malformed("contract.joined", first="--contract", second="--joined")
        return several.query(arguments)
    output = Output.of(arguments)
    with control(arguments) as stub:
        contract = questions.contract(stub, arguments.contract[0])
        plan = _plan(arguments, questions.described(contract, arguments.product))
        joined = questions.contract(stub, arguments.joined).agreement_name if arguments.joined else ""
        made = questions.send(stub, contract.agreement_name, plan, arguments.purpose, joined)
        if arguments.no_wait:
            return _sent(output, made)
        output.progress(
            f"{short(made.computation.name)}: sent to {made.provider}",
            f"{short(made.computation.name)}：已发送至 {made.provider}",
        )
        return _end(output, follow(output, stub, made.computation.name))


def _estimate(arguments: argparse.Namespace) -> int:
    output = Output.of(arguments)
    with control(arguments) as stub:
        if arguments.product:
            envelope = questions.product(stub, arguments.product).description.envelope
        else:
            envelope = questions.contract(stub, arguments.contract).description.envelope
        description = questions.description(envelope)
        found = questions.estimate(stub, description.product, _plan(arguments, description))
    output.data(_estimate_document(found))
    heads = headings(output, ("column", "列"), ("± (95 %)", "±（95 %）"), ("mechanism", "机制"), ("scale", "噪声尺度"))
    output.table(heads, [_error_row(output, each) for each in found.errors])
    output.say(
        f"\nWould cost {show.loss(found.charge)} and answer {found.cells} cells. Nothing was charged.",
        f"\n预计花费 {show.loss(found.charge)}，返回 {found.cells} 个单元格。未产生任何扣减。",
    )
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    with control(arguments) as stub:
        if arguments.computation:
            one = questions.seen(stub, arguments.computation)
            if arguments.receipt:
                _write_receipt(arguments.receipt, one)
            if arguments.format or arguments.output:
                _write_table(arguments, one)
            return _end(output, one)
        found = call(stub.ListComputations, control_pb2.ListComputationsRequest()).computations
    output.data({"computations": [answers.document(each) for each in found]})
    heads = headings(
        output, ("computation", "计算"), ("state", "状态"), ("asked", "提交时间"), ("by", "提交人"),
        ("provider", "提供方"), ("contract", "合约"), ("waits on", "等待"), ("since", "自"), ("until", "至"),
    )  # fmt: skip
    empty = word(output, "Nothing was asked yet. Next: hefu compute query", "尚未提交计算。下一步：hefu compute query")
    output.table(heads, [_row(output, each) for each in found], empty)
    return 0


def _write_receipt(path: Path, found: control_pb2.OwnComputation) -> None:
    """Write the signed receipt to a new file that its owner reads; what is there already is never overwritten."""
    from hefu.keeping.keys import write_private

    if not found.computation.HasField("receipt"):
        raise NotFound("resource.not_found", what="receipt", name=short(found.computation.name))
    write_private(path, found.computation.receipt.envelope)


def _write_table(arguments: argparse.Namespace, found: control_pb2.OwnComputation) -> None:
    """Write the answer to a new file, by default in the form that its name ends with."""
    from hefu_connector.workbench.answer import Answer

    if arguments.output is None:
        raise Malformed("command.output", flag="--format", example=f"-o answer.{arguments.format}")
    Answer.of(found).write(arguments.output, arguments.format or "")


def _watch(arguments: argparse.Namespace) -> int:
    output = Output.of(arguments)
    with control(arguments) as stub:
        return _end(output, follow(output, stub, named("computations", arguments.computation)))


def _cancel(arguments: argparse.Namespace) -> int:
    from hefu.v1 import computation_pb2

    output = Output.of(arguments)
    request = computation_pb2.CancelComputationRequest(name=named("computations", arguments.computation))
    with control(arguments) as stub:
        made = call(stub.CancelComputation, request)
    output.data(answers.document(made))
    status = show.state(output, computation_pb2.Computation.State.Name(made.computation.state))
    output.say(
        f"{arguments.computation} is {status}. What was charged stays charged.",
        f"{arguments.computation}：{status}。已扣额度不会恢复。",
    )
    return 0


def of_several(parser: argparse.ArgumentParser) -> None:
    """The product that is asked, where a contract is with several providers."""
    parser.add_argument("--product", default="", help="the product that is asked, where the contract has several")


def _plan(arguments: argparse.Namespace, description: Description) -> bytes:
    """The typed plan: read from a file, or parsed here from SQL, which goes no further than this process."""
    from hefu import canonical

    from hefu_connector.computing.computation import Plan
    from hefu_connector.computing.exact import ExactPlan

    if arguments.file:
        read = ExactPlan.of if arguments.exact else Plan.of
        return canonical.encode(read(_read_plan(arguments.file)).body())
    if arguments.exact:
        return canonical.encode(questions.exact(arguments.query, description).body())
    return canonical.encode(_private(arguments, description).body())


def _private(arguments: argparse.Namespace, description: Description) -> Plan:
    """The plan of SQL, with the loss that is named or, for a target error, picked."""
    if (arguments.epsilon and arguments.rho) or not (arguments.epsilon or arguments.rho or arguments.target_error):
        raise Malformed("command.epsilon")
    offered = arguments.epsilon or "0", arguments.delta, arguments.rho or ""
    plan = questions.plan(arguments.query, description, *offered)
    return questions.aimed(plan, description, arguments.target_error) if arguments.target_error else plan


def _read_plan(path: str) -> Any:
    import json

    try:
        return json.loads(Path(path).read_text("utf-8"))
    except OSError as fault:
        raise Malformed("command.file", path=path, why=fault.strerror or "not readable") from None
    except ValueError:
        raise Malformed("command.file", path=path, why="not JSON") from None


def follow(output: Output, stub: ControlServiceStub, name: str) -> control_pb2.OwnComputation:
    """The computation at its end, telling each change meanwhile."""
    from hefu.v1 import computation_pb2

    last, told = None, -1
    for last in questions.follow(stub, name):
        if last.computation.state != told:
            told = last.computation.state
            status = show.state(output, computation_pb2.Computation.State.Name(told))
            output.progress(f"{short(name)}: {status}", f"{short(name)}：{status}")
    return last or questions.seen(stub, name)


def _sent(output: Output, made: control_pb2.OwnComputation) -> int:
    output.data(answers.document(made))
    name = short(made.computation.name)
    output.say(
        f"Sent as {name}. Next: hefu compute watch {name}", f"已提交为 {name}。下一步：hefu compute watch {name}"
    )
    return 0


def _end(output: Output, found: control_pb2.OwnComputation) -> int:
    from hefu.v1 import computation_pb2

    output.data(answers.document(found))
    answers.page(output, found)
    bad = (
        computation_pb2.Computation.STATE_REFUSED,
        computation_pb2.Computation.STATE_FAILED,
        computation_pb2.Computation.STATE_CANCELLED,
    )
    return 1 if found.computation.state in bad else 0


def _row(output: Output, one: control_pb2.OwnComputation) -> tuple[Cell, ...]:
    from hefu.v1 import computation_pb2

    waits: tuple[Cell, ...] = show.waiting_cells(output, one.waiting) if one.HasField("waiting") else ("", "", "")
    return (
        short(one.computation.name), show.state(output, computation_pb2.Computation.State.Name(one.computation.state)),
        show.when(one.create_time), one.user, one.provider, short(one.agreement), *waits,
    )  # fmt: skip


def _error_row(output: Output, error: computation_pb2.ExpectedError) -> tuple[Cell, ...]:
    width = (
        tables.interval(error.half_width) if error.half_width else word(output, "depends on the answer", "取决于结果")
    )
    return (error.column, width, error.mechanism, error.scale)


def _estimate_document(found: computation_pb2.Estimate) -> dict[str, object]:
    return {
        "charge": show.loss_document(found.charge),
        "cells": found.cells,
        "errors": answers.mechanisms(found.errors),
    }
