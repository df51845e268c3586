"""Reading the log: fetch and verify it whole, and the story of one contract."""

from __future__ import annotations

import argparse
from decimal import Decimal
from pathlib import Path

from hefu import verify
from hefu.commands import Cell, Output, common
from hefu.receipt import Spent
from hefu.times import SystemClock

from hefu_audit import story
from hefu_audit.commands.words import Commands, directory, reported, sub
from hefu_audit.home import Home
from hefu_audit.story import Step

_NANO = Decimal("1e-9")


def add(group: Commands) -> None:
    """``fetch``, ``verify``, ``contract``."""
    one = common(sub(group, "fetch", "fetch the whole log as a bundle and verify it"), _fetch)
    one.add_argument("--out", type=Path, required=True, metavar="FILE", help="where to write the bundle")

    one = common(sub(group, "verify", "verify a bundle offline, as hefu verify does"), verify.run)
    verify.add_arguments(one)

    one = common(
        sub(group, "contract", "show every step of one contract, who signed it, and what was spent"), _contract
    )
    one.add_argument("agreement", help="the agreement, such as agr-…")
    one.add_argument("--bundle", type=Path, metavar="FILE", help="read this bundle (default: fetch one now)")


def _fetch(arguments: argparse.Namespace) -> int:
    from hefu_audit import desk
    from hefu_audit.clients import broker

    output, home = Output.of(arguments), Home(directory(arguments))
    space = home.space()
    with broker.connected(home, space, SystemClock()) as log:
        visit = desk.visit(space, log, home, arguments.out)
    size, new = visit.manifest.size, visit.manifest.size - visit.before
    output.say(
        f"{size} entries, {new} new since the last visit → {arguments.out}",
        f"共 {size} 个条目，其中 {new} 个为上次之后新增 → {arguments.out}",
    )
    verify.show(visit.report, output)
    return 0 if visit.report.holds else 1


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
