"""Becoming an auditor: a directory with keys, enrolment, and what the keys are encrypted under."""

from __future__ import annotations

import argparse
from pathlib import Path

from hefu.errors import Malformed, Unavailable
from hefu.identity import ROLES
from hefu.space import SpaceFile
from hefu.statements import filing
from hefu.terminal.commands import Output, common
from hefu.times import SystemClock
from hefu.tlog.note import VerifierKey

from hefu_audit.commands.words import Commands, directory, sub
from hefu_audit.home import Home


def add(group: Commands) -> None:
    """``init``, ``enroll``, ``secret change``."""
    one = common(sub(group, "init", "make a directory with new keys for this auditor"), _init)
    one.add_argument("--space", type=Path, required=True, metavar="FILE", help="the space file, got from the operator")
    one.add_argument(
        "--participant", required=True, metavar="NAME", help="this auditor's own name, such as regulator-a"
    )
    one.add_argument("--connector", metavar="NAME", help="name in the transport certificate (default: the participant)")
    _add_secret(one, "--secret")

    one = common(sub(group, "enroll", "become a participant with the role regulator"), _enroll)
    one.add_argument("--token", help="the one-time token from the operator; needed the first time only")
    one.add_argument("--name", default="", help="the name to show (default: the participant's)")
    one.add_argument("--role", default="regulator", choices=ROLES, help="the role asked for (default: regulator)")

    text = "what this auditor's keys are encrypted under"
    secrets = group.add_parser("secret", help=text, description=text).add_subparsers(metavar="COMMAND", required=True)
    one = common(sub(secrets, "change", "keep the keys under another secret from now on"), _change)
    _add_secret(one, "--to")


def _add_secret(parser: argparse.ArgumentParser, name: str) -> None:
    text = (
        "file:PATH (drawn if it is not there), env:NAME or passphrase: what the keys are encrypted under "
        "(default: a new file below ~/.config/hefu/secrets)"
    )
    parser.add_argument(name, dest="secret", default="", metavar="SECRET", help=text)


def _init(arguments: argparse.Namespace) -> int:
    output = Output.of(arguments)
    space = SpaceFile.read(arguments.space)
    VerifierKey.parse(space.log_key)
    name = arguments.participant
    home = Home.make(directory(arguments), space, name, arguments.connector or name, arguments.secret)
    kept = home.lock().setting
    line = f"{name}={filing.public(home.filing())}"
    output.data({"directory": str(home.directory), "participant": name, "secret": kept, "filing": line})
    output.say(
        f"Made {home.directory} for {name}; it opens with the secret {kept}. Next: hefu audit enroll --token TOKEN. "
        f"For a mandate, the root's holder takes the filing key into the charter: --filing {line}",
        f"已为 {name} 建立 {home.directory}，由口令 {kept} 保护。下一步：hefu audit enroll --token TOKEN。"
        f"如需监管授权，由根密钥持有者将归档密钥写入章程：--filing {line}",
    )
    return 0


def _change(arguments: argparse.Namespace) -> int:
    output, home = Output.of(arguments), Home(directory(arguments))
    kept = home.change_secret(arguments.secret)
    output.data({"directory": str(home.directory), "secret": kept})
    output.say(
        f"{home.directory} opens with {kept} from now on. The old secret opens nothing any more: destroy it.",
        f"{home.directory} 现由 {kept} 打开。旧口令已失效，请销毁。",
    )
    return 0


def _enroll(arguments: argparse.Namespace) -> int:
    from hefu.membership import enrolment

    from hefu_audit.clients import broker

    output, home, clock = Output.of(arguments), Home(directory(arguments)), SystemClock()
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
