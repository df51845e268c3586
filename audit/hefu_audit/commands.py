"""The commands of a regulator or auditor: ``hefu audit …``."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from hefu import verify
from hefu.bundle import open_bundle
from hefu.commands import Cell, Group, Output, common
from hefu.errors import Malformed, Unavailable
from hefu.identity import ROLES
from hefu.receipt import Spent
from hefu.space import SpaceFile
from hefu.times import SystemClock
from hefu.tlog.note import VerifierKey

from hefu_audit import story
from hefu_audit.home import Home
from hefu_audit.story import Step

Commands = Any  # what argparse's add_subparsers returns; its type is private
DEFAULT_DIRECTORY = "./hefu-audit"
_NANO = Decimal("1e-9")


def _add(parser: argparse.ArgumentParser) -> None:
    group = parser.add_subparsers(metavar="COMMAND", required=True)

    one = common(_sub(group, "init", "make a directory with new keys for this auditor"), _init)
    one.add_argument("--space", type=Path, required=True, metavar="FILE", help="the space file, got from the operator")
    one.add_argument(
        "--participant", required=True, metavar="NAME", help="this auditor's own name, such as regulator-a"
    )
    one.add_argument("--connector", metavar="NAME", help="name in the transport certificate (default: the participant)")
    _add_secret(one, "--secret")

    one = common(_sub(group, "enroll", "become a participant with the role regulator"), _enroll)
    one.add_argument("--token", help="the one-time token from the operator; needed the first time only")
    one.add_argument("--name", default="", help="the name to show (default: the participant's)")
    one.add_argument("--role", default="regulator", choices=ROLES, help="the role asked for (default: regulator)")

    one = common(_sub(group, "fetch", "fetch the whole log as a bundle and verify it"), _fetch)
    one.add_argument("--out", type=Path, required=True, metavar="FILE", help="where to write the bundle")

    one = common(_sub(group, "verify", "verify a bundle offline, as hefu verify does"), verify.run)
    verify.add_arguments(one)

    one = common(
        _sub(group, "contract", "show every step of one contract, who signed it, and what was spent"), _contract
    )
    one.add_argument("agreement", help="the agreement, such as agr-…")
    one.add_argument("--bundle", type=Path, metavar="FILE", help="read this bundle (default: fetch one now)")

    text = "what this auditor's keys are encrypted under"
    secrets = group.add_parser("secret", help=text, description=text).add_subparsers(metavar="COMMAND", required=True)
    one = common(_sub(secrets, "change", "keep the keys under another secret from now on"), _change)
    _add_secret(one, "--to")


def _add_secret(parser: argparse.ArgumentParser, name: str) -> None:
    text = (
        "file:PATH (drawn if it is not there), env:NAME or passphrase: what the keys are encrypted under "
        "(default: a new file below ~/.config/hefu/secrets)"
    )
    parser.add_argument(name, dest="secret", default="", metavar="SECRET", help=text)


AUDIT = Group("audit", "read, verify and explain the audit log", _add)


def _init(arguments: argparse.Namespace) -> int:
    output = Output.of(arguments)
    space = SpaceFile.read(arguments.space)
    VerifierKey.parse(space.log_key)
    name = arguments.participant
    home = Home.make(_directory(arguments), space, name, arguments.connector or name, arguments.secret)
    kept = home.lock().setting
    output.data({"directory": str(home.directory), "participant": name, "secret": kept})
    output.say(
        f"Made {home.directory} for {name}; it opens with the secret {kept}. Next: hefu audit enroll --token TOKEN",
        f"已为 {name} 建立 {home.directory}，由口令 {kept} 保护。下一步：hefu audit enroll --token TOKEN",
    )
    return 0


def _change(arguments: argparse.Namespace) -> int:
    output, home = Output.of(arguments), Home(_directory(arguments))
    kept = home.change_secret(arguments.secret)
    output.data({"directory": str(home.directory), "secret": kept})
    output.say(
        f"{home.directory} opens with {kept} from now on. The old secret opens nothing any more: destroy it.",
        f"{home.directory} 现由 {kept} 打开。旧口令已失效，请销毁。",
    )
    return 0


def _enroll(arguments: argparse.Namespace) -> int:
    from hefu import enrolment

    from hefu_audit.clients import broker

    output, home, clock = Output.of(arguments), Home(_directory(arguments)), SystemClock()
    space, ring = home.space(), home.ring()
    name = home.enrolment()
    if name is None:
        if not arguments.token:
            raise Malformed("audit.token")
        shown, roles = {"en": arguments.name or ring.participant}, frozenset({arguments.role})

        def make() -> enrolment.Sent:
            return enrolment.request(ring, space, shown, roles, clock), ring.csr()

        sent = home.sent()
        if sent is not None and (sent[0].body["names"], sent[0].body["roles"]) != (shown, [*roles]):
            sent = None  # it asked for something else
        name = enrolment.submit_again(space, arguments.token, sent, make, home.keep_sent)
        home.write_enrolment(name)
    found = enrolment.poll(space, name, ring)
    if found is None:
        raise Unavailable("audit.pending")
    broker.take(home, space, found[1], clock)
    output.data({"participant": ring.participant, "state": "certified"})
    output.say(f"{ring.participant} is enrolled.", f"{ring.participant} 已入网。")
    return 0


def _fetch(arguments: argparse.Namespace) -> int:
    from hefu_audit import desk
    from hefu_audit.clients import broker

    output, home = Output.of(arguments), Home(_directory(arguments))
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
    report = _report(arguments)
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


def _report(arguments: argparse.Namespace) -> verify.Report:
    """The verified report of the bundle that was given, or of one fetched now."""
    home = Home(_directory(arguments))
    if arguments.bundle is None:
        with _fetched(home) as path, open_bundle(path) as bundle:
            return verify.verify(bundle, _pins(home))
    with open_bundle(arguments.bundle) as bundle:
        return verify.verify(bundle, _pins(home))


def _pins(home: Home) -> verify.Pins:
    """This auditor's pins; none where there is no auditor here and trust must come from the bundle."""
    if not home.space_file.exists():
        return verify.Pins()
    space = home.space()
    return verify.Pins(space.root, VerifierKey.parse(space.log_key), space=space)


@contextmanager
def _fetched(home: Home) -> Iterator[Path]:
    from hefu_audit import desk
    from hefu_audit.clients import broker

    space = home.space()
    with tempfile.TemporaryDirectory(dir=home.directory) as folder:
        path = Path(folder) / "bundle.zip"
        with broker.connected(home, space, SystemClock()) as log:
            desk.visit(space, log, home, path)
        yield path


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


def _sub(group: Commands, name: str, help_: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = group.add_parser(name, help=help_, description=help_[0].upper() + help_[1:] + ".")
    parser.add_argument(
        "--dir", metavar="DIR", help=f"the auditor's directory (default: HEFU_AUDIT_DIR, then {DEFAULT_DIRECTORY})"
    )
    return parser


def _directory(arguments: argparse.Namespace) -> Path:
    chosen = getattr(arguments, "dir", None) or os.environ.get("HEFU_AUDIT_DIR") or DEFAULT_DIRECTORY
    return Path(chosen).expanduser().absolute()
