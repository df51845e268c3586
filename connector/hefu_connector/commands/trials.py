"""``hefu policy test|can|diff|replay``: what comes out for a request that is described, expected or recorded."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hefu.canonical import Json
from hefu.errors import Malformed, Refused
from hefu.terminal.commands import Output

from hefu_connector.commands.link import Commands, call, command, control, named
from hefu_connector.commands.papers import (
    LARGEST_FILE,
    UNVERIFIED,
    Paper,
    add_source,
    add_values,
    agreement,
    bundled,
    document,
    of_object,
    papers,
    values_of,
)  # fmt: skip
from hefu_connector.commands.show import word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hefu.envelope import Statement
    from hefu_policies.analysis import Example
    from hefu_policies.authoring.cases import Outcome
    from hefu_policies.authoring.possibilities import Change, Nearest
    from hefu_policies.deciding.decision import Decision
    from hefu_policies.deciding.policy import Compiled


def add(group: Commands) -> None:
    """Add the subcommands."""
    one = command(group, "test", "decide the cases of a file, and tell which come out otherwise than expected", _test)
    one.add_argument("file", type=Path, help="cases in YAML or JSON; its policy is named in it, or by --policy")
    one.add_argument("--policy", metavar="SOURCE", help="the policy: a file, a template or a contract")
    add_values(one)
    one = command(group, "can", "what would this permit? Describe a request; the nearest permitted one is told", _can)
    add_source(one)
    one.add_argument("action", help="what is asked for, such as hefu:dpQuery")
    one.add_argument(
        "facts", nargs="*", metavar="FACT=VALUE", help="what is known, such as epsilon=0.9 column=age,region"
    )
    add_values(one)
    one = command(group, "diff", "tell a request that one policy permits and the other refuses, both ways", _diff)
    add_source(one, "one")
    add_source(one, "other")
    one = command(group, "replay", "make the decision behind a receipt again, from its own facts", _replay)
    one.add_argument(
        "receipt", help="a receipt, or the owner's record, as a file; or, at its provider, a computation (cmp-…)"
    )
    where = one.add_mutually_exclusive_group()
    where.add_argument(
        "--agreement", metavar="FILE|ID", help="the signed agreement, or its id at the running connector"
    )
    where.add_argument("--bundle", type=Path, metavar="FILE", help="an evidence bundle that holds the agreement")


def _test(arguments: argparse.Namespace) -> int:
    from hefu_policies.authoring.cases import read_cases, run
    from hefu_policies.authoring.possibilities import enforceable

    output = Output.of(arguments)
    body = document(arguments.file)
    cases = read_cases(body, arguments.file.name)
    paper = _tested(arguments, body)
    contract = enforceable(paper.policy)
    found = [run(contract, each) for each in cases]
    failed = [each for each in found if each.faults]
    output.data({"policy": paper.name, "ok": not failed, "cases": [_outcome(each) for each in found]})
    for each in found:
        output.say(f"{'✗' if each.faults else '✓'} {each.case.name}: {_effect(each.decision, output)}")
        if each.faults:
            _tell_fault(output, each)
    output.say(
        f"\n{len(found) - len(failed)} of {len(found)} cases as expected.",
        f"\n{len(found)} 个用例中 {len(found) - len(failed)} 个符合预期。",
    )
    return int(bool(failed))


def _tested(arguments: argparse.Namespace, body: Json) -> Paper:
    """The policy under test: the option, else what the file names, seen from the file's own folder."""
    if arguments.policy:
        return papers(arguments, arguments.policy)[0]
    named = body.get("policy") if isinstance(body, dict) else None
    if isinstance(named, dict):
        return of_object(named, arguments.file)[0]
    if isinstance(named, str):
        beside = arguments.file.parent / named
        return papers(arguments, str(beside) if beside.is_file() else named)[0]
    raise Malformed("policy.no_policy", path=str(arguments.file))


def _tell_fault(output: Output, outcome: Outcome) -> None:
    case = outcome.case
    if "effect" in outcome.faults:
        output.say(f"    expected: {case.expect}", f"    预期：{case.expect}")
    if "because" in outcome.faults:
        output.say(f"    expected because of {', '.join(case.because)}", f"    预期理由：{'、'.join(case.because)}")
    if "duties" in outcome.faults:
        output.say(
            f"    duties: {', '.join(outcome.decision.duties)}", f"    义务：{'、'.join(outcome.decision.duties)}"
        )
    _tell_reasons(output, outcome.decision)


def _can(arguments: argparse.Namespace) -> int:
    from hefu_policies.authoring.cases import described
    from hefu_policies.authoring.possibilities import ask, enforceable
    from hefu_policies.words.terms import ACTIONS

    output = Output.of(arguments)
    if arguments.action not in ACTIONS:
        known = ", ".join(ACTIONS)
        raise Malformed("policy.unknown", where="action", term=arguments.action[:60], known=known)
    facts = described(values_of(arguments.facts))
    answers = []
    for paper in papers(arguments, arguments.policy):
        contract = enforceable(paper.policy)
        decision = ask(contract, arguments.action, facts)
        answers.append((paper, decision, _near(contract, decision)))
    output.data({"answers": [_answer(*each) for each in answers]})
    for paper, decision, near in answers:
        _tell_answer(output, paper, decision, near)
    possible = [decision.permits or (near is not None and not near.changed) for _, decision, near in answers]
    return int(not any(possible))


def _near(contract: Compiled, decision: Decision) -> Nearest | None:
    """The nearest permitted request, where one is needed.

    Raises:
        Refused: there are too many cases to look for it.
    """
    from hefu_policies.authoring.possibilities import TooLarge, nearest

    try:
        return None if decision.permits else nearest(contract, decision.request.action, decision.facts)
    except TooLarge:
        raise Refused("policy.too_large") from None


def _tell_answer(output: Output, paper: Paper, decision: Decision, near: Nearest | None) -> None:
    if decision.permits:
        output.say(f"{paper.name}: yes, by {decision.clause}.", f"{paper.name}：可以，依据 {decision.clause}。")
        _tell_duties(output, decision)
        return
    if near is not None and not near.changed:
        output.say(f"{paper.name}: yes, provided that", f"{paper.name}：可以，前提是")
        _tell_changes(output, near.decision, near.added)
        _tell_duties(output, near.decision)
        return
    output.say(f"{paper.name}: no.", f"{paper.name}：不可以。")
    _tell_reasons(output, decision, all_of_it=False)
    if near is None:
        output.say("No request of this kind is permitted.", "不存在可获许可的同类请求。")
        return
    output.say("The nearest that is permitted:", "最接近的可获许可的请求：")
    _tell_changes(output, near.decision, (*near.changed, *near.added))
    _tell_duties(output, near.decision)


def _tell_changes(output: Output, decision: Decision, changes: Sequence[Change]) -> None:
    """Each fact that would have to be otherwise, with what the clause that then permits says of it."""
    from hefu_policies.deciding.policy import leaves
    from hefu_policies.telling import wording

    rule = next(each for each in decision.contract.policy.permissions if each.id == decision.clause)
    for each in changes:
        said = [wording.constraint_text(leaf, output.language) for leaf in leaves(rule) if leaf.fact == each.name]
        demand = word(output, "; ", "；").join(said)
        if each.before is None and demand:
            output.say(f"  {each.name}: {demand}")
        else:
            told = f"{_value(each.before)} → " if each.before is not None else ""
            output.say(f"  {each.name}: {told}{_value(each.after)}" + (f"  ({demand})" if demand else ""))


def _tell_duties(output: Output, decision: Decision) -> None:
    if decision.duties:
        output.say(f"  duties: {', '.join(decision.duties)}", f"  义务：{'、'.join(decision.duties)}")


def _tell_reasons(output: Output, decision: Decision, *, all_of_it: bool = True) -> None:
    """The report; or what speaks against a request of which only a part was described."""
    from hefu_policies.authoring.cases import against_it
    from hefu_policies.telling.explanation import Audience, explain

    told = decision.reasons if all_of_it else against_it(decision, unknown=False)
    lines = explain(decision, Audience.OWNER, output.language)
    for reason, line in zip(decision.reasons, lines, strict=True):
        if reason in told:
            output.say(f"    {line}")


def _diff(arguments: argparse.Namespace) -> int:
    from hefu_policies.analysis import inside

    output = Output.of(arguments)
    (one, *_), (other, *_) = papers(arguments, arguments.one), papers(arguments, arguments.other)
    pairs = ((one, other), (other, one))
    answers = [(narrow, wide, inside(narrow.policy, wide.policy)) for narrow, wide in pairs]
    found = [_shown(narrow, wide, each.example) for narrow, wide, each in answers if each.example is not None]
    unknown = any(each.verdict == "unknown" for _, _, each in answers)
    duties = [(narrow, _duties_of(narrow, output) - _duties_of(wide, output)) for narrow, wide in pairs]
    output.data({
        "same": not (found or unknown or any(said for _, said in duties)), "decided": not unknown,
        "differences": [
            {
                "permitted_by": each.narrow, "refused_by": each.wide, "action": each.decision.request.action,
                "facts": {name: _value(value) for name, value in each.decision.facts.items()},
                "reasons": _reasons(each.decision),
            }
            for each in found
        ],
        "duties": {paper.name: sorted(said) for paper, said in duties},
    })  # fmt: skip
    for each in found:
        _tell_difference(output, each)
    for paper, said in duties:
        for line in sorted(said):
            output.say(f"only {paper.name} demands to {line}", f"仅 {paper.name} 要求：{line}")
    if unknown:
        output.say("There are too many cases to compare all.", "情形过多，未能全部比较。")
    elif not found:
        output.say("Both permit the same requests.", "二者许可的请求相同。")
    return int(bool(found or unknown or any(said for _, said in duties)))


class _Difference(NamedTuple):
    """A request that one policy permits, and what the other one decides on it."""

    narrow: str
    wide: str
    decision: Decision


def _shown(narrow: Paper, wide: Paper, example: Example) -> _Difference:
    from hefu_policies.authoring.possibilities import ask, enforceable

    return _Difference(narrow.name, wide.name, ask(enforceable(wide.policy), example.action, example.facts))


def _tell_difference(output: Output, found: _Difference) -> None:
    action = found.decision.request.action
    output.say(
        f"{found.narrow} permits, and {found.wide} refuses: {action}",
        f"{found.narrow} 许可而 {found.wide} 拒绝：{action}",
    )
    facts = "; ".join(f"{name} = {_value(value)}" for name, value in found.decision.facts.items())
    output.say(f"  with {facts}", f"  其中 {facts}")
    _tell_reasons(output, found.decision, all_of_it=False)


def _duties_of(paper: Paper, output: Output) -> set[str]:
    """What must be done under a policy, in words."""
    from hefu_policies.telling.wording.conditions import duty_lines

    policy = paper.policy
    duties = [*(each for rule in policy.permissions for each in rule.duties), *policy.obligations]
    return {" ".join(line.strip() for line in duty_lines(each, output.language, "")) for each in duties}


def _replay(arguments: argparse.Namespace) -> int:
    from hefu.envelope import Statement
    from hefu.statements.receipt import SEALED, Receipt
    from hefu_policies.proving.receipts import again, records

    output = Output.of(arguments)
    path = Path(arguments.receipt)
    if arguments.receipt.startswith(("cmp-", "computations/")) and not path.exists():
        decisions = list(records(*_kept(arguments)))
    elif isinstance(body := document(path), dict) and "decisions" in body:
        decisions = list(records(body, _agreement(arguments, "")))
    else:
        receipt = Receipt.of(Statement.parse(path.read_bytes()).expect(SEALED))
        decisions = list(again(receipt, _agreement(arguments, receipt.agreements[0].digest)))
    output.data({"same": True, "signatures_checked": False, "decisions": [_decided(each) for each in decisions]})
    for each in decisions:
        output.say(
            f"{each.phase.value}: decided again with the same result: {_effect(each, output)}, {each.clause}",
            f"{each.phase.value}：重新裁决，结果一致：{_effect(each, output)}，{each.clause}",
        )
        _tell_reasons(output, each)
    output.say(*UNVERIFIED)
    return 0


def _kept(arguments: argparse.Namespace) -> tuple[Json, Statement]:
    """The record that this provider's connector keeps of a computation, and the agreement it is of."""
    from hefu import canonical
    from hefu.envelope import Statement
    from hefu.v1 import control_pb2

    request = control_pb2.GetDecisionsRequest(name=named("computations", arguments.receipt))
    with control(arguments) as stub:
        found = call(stub.GetDecisions, request)
    return canonical.decode_object(found.record, LARGEST_FILE), Statement.parse(found.agreement.envelope)


def _agreement(arguments: argparse.Namespace, digest: str) -> Statement:
    if arguments.bundle:
        return bundled(arguments.bundle, digest)
    if not arguments.agreement:
        raise Malformed("policy.agreement_wanted")
    return agreement(arguments, arguments.agreement)


def _effect(decision: Decision, output: Output) -> str:
    words = {
        "permit": ("permitted", "许可"), "permit_after_duties": ("permitted after duties", "履行义务后许可"),
        "deny": ("prohibited", "禁止"), "default_deny": ("not permitted", "未获许可"),
    }  # fmt: skip
    return word(output, *words[decision.effect.value])


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.case.name, "expected": outcome.case.expect, "ok": not outcome.faults,
        "faults": list(outcome.faults), **_decided(outcome.decision),
    }  # fmt: skip


def _answer(paper: Paper, decision: Decision, near: Nearest | None) -> dict[str, Any]:
    changes = None
    if near is not None:
        changes = {
            "changed": {each.name: _value(each.after) for each in near.changed},
            "added": {each.name: _value(each.after) for each in near.added},
            **_decided(near.decision),
        }
    return {"policy": paper.name, "permitted": decision.permits, **_decided(decision), "nearest": changes}


def _decided(decision: Decision) -> dict[str, Any]:
    return {
        "effect": decision.effect.value, "clause": decision.clause, "duties": list(decision.duties),
        "phase": decision.phase.value, "reasons": _reasons(decision),
    }  # fmt: skip


def _reasons(decision: Decision) -> list[dict[str, str]]:
    return [{"code": each.code.value, "rule": each.rule, "part": each.part} for each in decision.reasons]


def _value(value: object) -> str:
    from datetime import datetime

    from hefu.times import write_time

    if isinstance(value, datetime):
        return write_time(value)
    if isinstance(value, frozenset | set | tuple | list):
        return ", ".join(sorted(map(str, value))) or "–"
    return str(value).lower() if isinstance(value, bool) else str(value)
