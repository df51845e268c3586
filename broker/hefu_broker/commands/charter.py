"""``hefu broker charter``: what a space allows, in numbered versions that the offline root signs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hefu import identity
from hefu.envelope import Statement
from hefu.errors import Malformed
from hefu.membership.charter import Charter
from hefu.statements.filing import FilingKey
from hefu.terminal.commands import Output, common
from hefu.tlog.explaining import explain
from hefu.tlog.policy import WitnessPolicy

from hefu_broker.commands.space import root_passphrase

if TYPE_CHECKING:
    from hefu_broker.rooms import Rooms


def add(groups: Any) -> None:
    """Put ``charter show|set`` under the broker's commands."""
    text = "show and set a space's charter: roles, policy templates, regulators, witnesses"
    commands = groups.add_parser("charter", help=text, description=text).add_subparsers(
        title="commands", metavar="COMMAND", required=True
    )

    def command(name: str, text: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = common(commands.add_parser(name, help=text, description=text), run)
        made.add_argument("--dir", type=Path, required=True, help="the broker's folder")
        made.add_argument("--space", default="", help="which of the broker's spaces (default: its first)")
        return made

    command("show", "show the newest charter of a space", _show)
    made = command("set", "replace a space's charter by a new version, signed with the root's key", _set)
    made.add_argument("--role", action="append", choices=identity.ROLES[:-1], help="a role that members may have")
    made.add_argument("--template", action="append", metavar="NAME", help="a policy template that offers may use")
    made.add_argument("--regulator", action="append", default=[], metavar="ID", help="a participant that regulates")
    made.add_argument(
        "--filing", action="append", default=[], metavar="ID=KEY",
        help="a regulator's filing key, as hefu audit key prints it: contracts are opened to it on a mandate",
    )  # fmt: skip
    made.add_argument("--name", action="append", default=[], metavar="LANG=TEXT", help="the space's name in a language")
    text = "a file with the witness policy (C2SP tlog-policy); without it the policy in force stays"
    made.add_argument("--witnesses", type=Path, metavar="FILE", help=text)
    way = made.add_mutually_exclusive_group(required=True)
    way.add_argument("--root", type=Path, help="the root's folder, where it is on this machine")
    way.add_argument("--request-out", type=Path, help="write the charter to be signed: hefu broker root-sign")
    way.add_argument("--statement-in", type=Path, help="take the charter that root-sign wrote; no other option counts")


def _show(arguments: argparse.Namespace) -> int:
    from hefu_broker.bootstrap import open_rooms

    rooms = open_rooms(arguments.dir, space=arguments.space)
    try:
        _say(Output.of(arguments), Charter.of(rooms.charters.newest()))
    finally:
        rooms.database.close()
    return 0


def _set(arguments: argparse.Namespace) -> int:
    from hefu_broker.bootstrap import open_rooms

    rooms = open_rooms(arguments.dir, space=arguments.space)
    try:
        return _adopt(arguments, rooms)
    finally:
        rooms.database.close()


def _adopt(arguments: argparse.Namespace, rooms: Rooms) -> int:
    from hefu_broker.founding import SPACE, read_root, sign_as_root

    output = Output.of(arguments)
    if arguments.statement_in:
        signed = read(arguments.statement_in)
    else:
        templates = tuple(arguments.template) if arguments.template else None
        drafted = rooms.charters.draft(
            _names(arguments.name),
            frozenset(arguments.role or ()),
            templates,
            tuple(arguments.regulator),
            _policy(arguments.witnesses, rooms.space.log_key) if arguments.witnesses else None,
            _filing(arguments.filing) if arguments.filing else None,
        )
        if arguments.request_out:
            arguments.request_out.write_bytes(drafted.to_bytes())
            output.say(f"Wrote {arguments.request_out}. On the root's machine: hefu broker root-sign")
            output.data({"request": str(arguments.request_out), "digest": drafted.digest()})
            return 0
        signed = sign_as_root(drafted, read_root(arguments.root, root_passphrase()), rooms.clock)
    charter = rooms.charters.adopt(signed.to_bytes())
    # Who joins from now on knows that there is one, whatever the broker shows.
    replace(rooms.space, charter=str(charter.version)).write(rooms.folder / SPACE)
    _say(output, charter)
    return 0


def read(path: Path) -> Statement:
    """A statement from a file.

    Raises:
        Malformed: it cannot be read.
    """
    try:
        return Statement.parse(path.read_bytes())
    except OSError as fault:
        raise Malformed("key.unreadable", path=str(path), why=fault.strerror or "no such file") from None


def _names(given: list[str]) -> dict[str, str]:
    found = dict(each.partition("=")[::2] for each in given)
    if not all(found) or not all(found.values()):
        raise Malformed("request.malformed", why="a name is written as LANG=TEXT, such as zh=医疗空间")
    return found


def _policy(path: Path, log_key: str) -> str:
    """The text of a witness policy; the logs that it names are this space's, or it is another log's policy."""
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError) as fault:
        raise Malformed("key.unreadable", path=str(path), why=type(fault).__name__) from None
    logs = [str(each.key) for each in WitnessPolicy.parse(text).logs]
    if logs and log_key not in logs:
        raise Malformed("log.malformed", what="witness policy", why="its log lines name another log than this space's")
    return text


def _filing(given: list[str]) -> dict[str, FilingKey]:
    found = {name: key for name, _, key in (each.partition("=") for each in given)}
    if len(found) < len(given):
        raise Malformed("request.malformed", why="each regulator has one filing key")
    return {name: FilingKey.parse(key) for name, key in found.items()}


def _say(output: Output, charter: Charter) -> None:
    anything = "任意策略" if output.language == "zh" else "any policy"
    templates = anything if charter.templates is None else ", ".join(charter.templates)
    output.say(
        f"Charter {charter.version}\n  roles: {', '.join(sorted(charter.roles))}\n  templates: {templates}\n"
        f"  regulators: {', '.join(charter.regulators) or '-'}\n  filing: {', '.join(charter.filing) or '-'}",
        f"章程第 {charter.version} 版\n  角色：{', '.join(sorted(charter.roles))}\n  策略模板：{templates}\n"
        f"  监管方：{', '.join(charter.regulators) or '-'}\n  归档密钥：{', '.join(charter.filing) or '-'}",
    )
    if charter.witnesses:
        output.say(*map(_indented, explain(WitnessPolicy.parse(charter.witnesses))))
    else:
        output.say("  witnesses: none", "  见证方：无")
    output.data({"charter": charter.body()})


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))
