"""Reading the log: fetch and verify it whole, and the story of one contract."""

from __future__ import annotations

import argparse
from decimal import Decimal
from pathlib import Path

from hefu.checking import verify
from hefu.evidence.bundle import open_bundle, write_bundle
from hefu.statements.receipt import Spent
from hefu.terminal.commands import Cell, Output, common
from hefu.times import SystemClock
from hefu.tlog.note import VerifierKey

from hefu_audit import following, story
from hefu_audit.commands.words import Commands, directory, reported, sub
from hefu_audit.desk import stamps_up_to
from hefu_audit.home import Home
from hefu_audit.index import Index
from hefu_audit.story import Step

_NANO = Decimal("1e-9")


def add(group: Commands) -> None:
    """``fetch``, ``verify``, ``contract``."""
    one = common(sub(group, "fetch", "fetch what is new of the log into this auditor's verified copy"), _fetch)
    text = "also write the whole log as a bundle, and verify it again as anybody can"
    one.add_argument("--out", type=Path, metavar="FILE", help=text)
    text = "forget the copy and fetch and verify everything again"
    one.add_argument("--again", action="store_true", help=text)

    one = common(sub(group, "verify", "verify a bundle offline, as hefu verify does"), verify.run)
    verify.add_arguments(one)

    one = common(
        sub(group, "contract", "show every step of one contract, who signed it, and what was spent"), _contract
    )
    one.add_argument("agreement", help="the agreement, such as agr-…")
    one.add_argument("--bundle", type=Path, metavar="FILE", help="read this bundle (default: fetch one now)")


def _fetch(arguments: argparse.Namespace) -> int:
    from hefu_audit.clients import broker

    output, home, clock = Output.of(arguments), Home(directory(arguments)), SystemClock()
    space, last = home.space(), home.last()
    with broker.connected(home, space, clock) as log, Index(home.directory, space) as index:
        if arguments.again:
            index.forget()
        made = following.follow(space, log, home, index, clock)
        new = made.head.size - made.before
        output.say(
            f"{made.head.size} entries, {new} new in this auditor's verified copy; {made.faults} faults.",
            f"共 {made.head.size} 个条目，副本新增 {new} 个；问题 {made.faults} 处。",
        )
        if arguments.out is None:
            document = {"size": made.head.size, "new": new, "hidden": made.hidden, "faults": made.faults}
            output.data({"verified": not made.faults, **document})
            return 0 if not made.faults else 1
        note = index.head
        stamps = stamps_up_to(log.stamps(), made.head.size)
        write_bundle(arguments.out, space, note[0] if note else "", index.entries(), stamps)
    with open_bundle(arguments.out) as bundle:
        report = verify.verify(bundle, verify.Pins(space.root, VerifierKey.parse(space.log_key), last, space))
    verify.show(report, output)
    return 0 if report.holds else 1


def _contract(arguments: argparse.Namespace) -> int:
    output = Output.of(arguments)
    report = reported(arguments)
    told = story.tell(report.record, arguments.agreement)
    output.data({"verified": report.holds, **told.document()})
    output.table(
        ("entry", "time", "step", "signed by", "", "ε spent"),
        [_shown(each) for each in told.steps],
    )
    budget, spent = told.contract.budget, told.spent
    output.say(
        f"Spent {amount(spent, budget)} of {epsilon(budget)} in {spent.releases} of {budget.releases} releases.",
        f"已用 {amount(spent, budget)}，上限 {epsilon(budget)}；发布 {spent.releases} 次，上限 {budget.releases} 次。",
    )
    output.say(report.closing(), report.closing("zh"))
    return 0 if report.holds else 1


def epsilon(spent: Spent) -> str:
    """ε as a decimal without zeros at the end."""
    return format(((spent.rho_nano or spent.epsilon_nano) * _NANO).normalize(), "f")


def amount(spent: Spent, budget: Spent) -> str:
    """The same with its letter: ρ where the budget is counted in it."""
    return f"{'ρ' if budget.rho_nano else 'ε'} {epsilon(spent)}"


def _shown(step: Step) -> tuple[Cell, ...]:
    """A step as a row; texts of strangers without anything that moves a terminal's cursor."""
    texts = (step.time, step.type, ", ".join(step.signers), step.note)
    return step.index, *map(verify.plain, texts), epsilon(step.spent) if step.spent else ""
