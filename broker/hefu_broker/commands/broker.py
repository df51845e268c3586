"""``hefu broker``: found a space, serve it, invite, certify, suspend and revoke participants.

Every command but ``serve`` works on the broker's folder, whether or not a server runs on it; a running server takes
the change in at once. Heavy libraries are imported by the command that needs them.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hefu import identity
from hefu.envelope import Statement
from hefu.errors import Malformed
from hefu.keeping.hardening import keep_memory_private
from hefu.membership.charter import CHARTERED, Charter
from hefu.running import backup, faults, logs, telemetry
from hefu.terminal.commands import Group, Output, common, pick

from hefu_broker.commands import (
    backup as backup_commands,
)
from hefu_broker.commands import (
    charter as charter_commands,
)
from hefu_broker.commands import (
    export as export_commands,
)
from hefu_broker.commands import (
    replica as replica_commands,
)
from hefu_broker.commands import (
    space as space_commands,
)
from hefu_broker.commands.space import root_passphrase

if TYPE_CHECKING:
    from hefu_broker.records import Enrolment
    from hefu_broker.rooms import Rooms


def _add(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(
        name: str, text: str, run: object, *, folder: bool = True, space: bool = True
    ) -> argparse.ArgumentParser:
        made = common(commands.add_parser(name, help=text, description=text), run)  # type: ignore[arg-type]
        if folder:
            made.add_argument("--dir", type=Path, required=True, help="the broker's folder")
        if folder and space:
            made.add_argument("--space", default="", help="which of the broker's spaces (default: its first)")
        return made

    _add_init(command("init", "found a space: the offline root, the broker's keys, the space file", _init, space=False))
    space_commands.add(commands)
    charter_commands.add(commands)
    backup_commands.add(commands)
    export_commands.add(commands)
    replica_commands.add(commands)
    serve = command("serve", "serve all spaces until SIGTERM or Ctrl-C", _serve, space=False)
    serve.add_argument("--grace", type=float, default=2.0, help="seconds that running calls get at the end")
    serve.add_argument(
        "--http", metavar="HOST:PORT", help="health, readiness and metrics here (overrules the settings)"
    )
    command("relay", "serve the relay as a process of its own, until SIGTERM or Ctrl-C", _relay, space=False)
    _add_invite(command("invite", "write an invitation: one file that is enough to join", _invite))
    token = command("token", "make a one-time token for a new participant", _token)
    token.add_argument("--name", required=True, help="the name of the participant it is for")
    token.add_argument("--role", required=True, action="append", choices=identity.ROLES, help="may be repeated")
    token.add_argument("--hours", type=float, default=24.0, help="how long it may be used (default 24)")
    command("pending", "list enrolments that wait for the root", _pending)
    _add_certify(command("certify", "certify an enrolment with the root's key", _certify))
    reject = command("reject", "close an enrolment for good", _reject)
    reject.add_argument("enrolment")
    sign = command("root-sign", "sign a certification or charter on the root's own machine", _root_sign, folder=False)
    sign.add_argument("--root", type=Path, required=True, help="the root's folder")
    sign.add_argument("--request", type=Path, required=True, help="what certify --request-out wrote")
    sign.add_argument("--statement-out", type=Path, required=True, help="where to write the signed statement")
    for name, text in (
        ("suspend", "let a participant, key or certificate act no more for now"),
        ("revoke", "let a participant, key or certificate never act again"),
    ):
        stop = command(name, text, _suspend if name == "suspend" else _revoke)
        stop.add_argument("participant", help="a participant's name, a key's id or a certificate's fingerprint")
        stop.add_argument("--reason", required=True, help="stands in the signed status list, for everybody to read")
    reinstate = command("reinstate", "let a suspended participant act again", _reinstate)
    reinstate.add_argument("participant")
    command("participants", "list participants, their roles and standing", _participants)
    text = "what this broker's database and keys are encrypted under"
    secrets = commands.add_parser("secret", help=text, description=text).add_subparsers(
        metavar="COMMAND", required=True
    )
    change = common(secrets.add_parser("change", help="keep everything under another secret from now on"), _change)
    change.add_argument("--dir", type=Path, required=True, help="the broker's folder")
    _add_secret(change, "--to")


BROKER = Group("broker", "run the centre of a space: registry, catalog, contracts, audit log", _add)


def _add_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--space", required=True, help="the id of the space, such as demo")
    parser.add_argument("--address", required=True, help="HOST:PORT to serve participants on")
    parser.add_argument("--enrolment", required=True, help="HOST:PORT to serve enrolment on")
    parser.add_argument("--root", type=Path, help="folder of the offline root (default: DIR-root)")
    parser.add_argument("--log-origin", help="the audit log's name (default: hefu.example/SPACE)")
    parser.add_argument("--public-address", default="", help="HOST:PORT participants dial, where it is another")
    parser.add_argument("--public-enrolment", default="", help="the same for enrolment")
    parser.add_argument("--database", default="", help="postgresql://USER@HOST/NAME (default: a file in the folder)")
    _add_secret(parser, "--secret")
    parser.add_argument("--relay", default="", help="HOST:PORT to relay on, for connectors that nobody can dial")
    parser.add_argument(
        "--web", default="", help="HOST:PORT of the pages for browsers and the log's tiles (default: none)"
    )
    parser.add_argument("--web-url", default="", help="https://HOST where browsers find them, where it is another")
    parser.add_argument("--public-relay", default="", help="the same as --public-address for the relay")


def _add_invite(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the id of the participant, such as hospital-a")
    parser.add_argument("--role", required=True, action="append", choices=identity.ROLES, help="may be repeated")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="a new file, readable by you only")
    parser.add_argument("--title", default="", help="the participant's name for people (default: its id)")
    parser.add_argument("--title-zh", default="", help="the same in Chinese")
    parser.add_argument("--hours", type=float, default=24.0, help="how long it may be used (default 24)")


def _add_secret(parser: argparse.ArgumentParser, name: str) -> None:
    text = (
        "file:PATH (drawn if it is not there), env:NAME or passphrase: what database and keys are encrypted under "
        "(default: a new file below ~/.config/hefu/secrets)"
    )
    parser.add_argument(name, dest="secret", default="", metavar="SECRET", help=text)


def _add_certify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("enrolment", help="an id from hefu broker pending")
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--root", type=Path, help="the root's folder, where it is on this machine")
    way.add_argument("--request-out", type=Path, help="write the statement to be signed on the root's machine")
    way.add_argument("--statement-in", type=Path, help="take the statement that root-sign wrote")


def _init(arguments: argparse.Namespace) -> int:
    from hefu.times import SystemClock

    from hefu_broker.founding import Plan, found

    output, folder = Output.of(arguments), arguments.dir
    root = arguments.root or folder.with_name(f"{folder.name}-root")
    plan = Plan(
        folder=folder,
        root=root,
        space=identity.check_name(arguments.space, "The space's id"),
        address=arguments.address,
        enrolment=arguments.enrolment,
        log_origin=arguments.log_origin or f"hefu.example/{arguments.space}",
        public_address=arguments.public_address,
        public_enrolment=arguments.public_enrolment,
        relay=arguments.relay,
        public_relay=arguments.public_relay,
        passphrase=root_passphrase(),
        secret=arguments.secret,
        database=arguments.database,
        web=arguments.web,
        web_url=arguments.web_url,
    )
    settings, space = found(plan, SystemClock())
    output.say(
        f"Founded the space {space.space} in {folder}; it opens with the secret {settings.secret}.\n"
        f"  Give {folder / 'space.json'} to every participant, over a channel you both trust.\n"
        f"  Move {root} to a machine that is never connected: whoever has it decides who takes part.\n"
        f"Next: hefu broker serve --dir {folder}",
        f"已在 {folder} 创建空间 {space.space}，由口令 {settings.secret} 保护。\n"
        f"  请经由双方信任的途径，把 {folder / 'space.json'} 交给每个参与方。\n"
        f"  请把 {root} 移至永不联网的机器：持有它者决定谁能加入。\n"
        f"下一步：hefu broker serve --dir {folder}",
    )
    output.data({"dir": str(folder), "root": str(root), "space": space.document(), "secret": settings.secret})
    return 0


def _change(arguments: argparse.Namespace) -> int:
    from hefu_broker.settings import Settings

    output, folder, settings = Output.of(arguments), arguments.dir, Settings.read(arguments.dir)
    kept = settings.lock(folder).change(arguments.secret, lambda new: replace(settings, secret=new).write(folder))
    output.say(
        f"{folder} opens with {kept} from its next start on. The old secret opens nothing any more: destroy it.",
        f"自下次启动起，{folder} 由 {kept} 打开。旧口令已失效，请销毁。",
    )
    output.data({"dir": str(folder), "secret": kept})
    return 0


def _serve(arguments: argparse.Namespace) -> int:
    from hefu_broker.bootstrap import Server
    from hefu_broker.settings import Settings

    settings = Settings.read(arguments.dir)
    backup.check(arguments.dir.absolute(), "broker")
    faults.arm(test=settings.test)
    logs.configure(settings.logs)
    telemetry.start("hefu-broker", settings.node)
    keep_memory_private()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = Server(arguments.dir, http=arguments.http)
    try:
        server.start()
        spaces = [each.space.space for each in server.spaces]
        ready = {"ready": True, "space": spaces[0], "spaces": spaces, **server.ports}
        if server.http:
            ready["http_port"] = server.http
        if arguments.json:
            sys.stdout.write(json.dumps(ready) + "\n")
        else:
            ports = ", ".join(f"{name.replace('_', ' ')} {port}" for name, port in server.ports.items())
            sys.stdout.write(f"ready: {ports}\n")
        sys.stdout.flush()
        stop.wait()
    finally:
        server.stop(arguments.grace)
        telemetry.stop()
    return 0


def _relay(arguments: argparse.Namespace) -> int:
    from hefu_broker.bootstrap import RelayServer
    from hefu_broker.settings import Settings

    settings = Settings.read(arguments.dir)
    faults.arm(test=settings.test)
    logs.configure(settings.logs)
    keep_memory_private()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = RelayServer(arguments.dir)
    try:
        server.start()
        ready = {"ready": True, "spaces": [each.space.space for each in server.spaces], "relay_port": server.port}
        sys.stdout.write((json.dumps(ready) if arguments.json else f"ready: relay port {server.port}") + "\n")
        sys.stdout.flush()
        stop.wait()
    finally:
        server.stop()
    return 0


def _token(arguments: argparse.Namespace) -> int:
    output, roles = Output.of(arguments), frozenset(arguments.role)
    with _rooms(arguments) as rooms:
        token = rooms.enrolments.invite(arguments.name, roles, timedelta(hours=arguments.hours))
        rooms.doings.note("invited", arguments.name)
    output.say(f"One-time token for {arguments.name} ({', '.join(sorted(roles))}), shown once:\n{token}")
    output.data({"token": token, "participant": arguments.name, "roles": sorted(roles), "hours": arguments.hours})
    return 0


def _invite(arguments: argparse.Namespace) -> int:
    from hefu.membership.invitation import Invitation

    output, roles, life = Output.of(arguments), frozenset(arguments.role), timedelta(hours=arguments.hours)
    if arguments.out.exists():
        raise Malformed("request.malformed", why=f"{arguments.out} exists already; name a new file")
    with _rooms(arguments) as rooms:
        token, expires = rooms.enrolments.invite(arguments.name, roles, life), rooms.clock.now() + life
        rooms.doings.note("invited", arguments.name)
        names = {"en": arguments.title or arguments.name}
        names |= {"zh": arguments.title_zh} if arguments.title_zh else {}
        Invitation(rooms.space, token, arguments.name, names, roles, expires).write(arguments.out)
    output.say(
        f"Wrote {arguments.out}. Hand it to {arguments.name} over a channel you both trust; it opens once.\n"
        f"  There: hefu connector join {arguments.out.name}\n"
        f"  Then here: hefu broker pending, and hefu broker certify",
        f"已写入 {arguments.out}。请经双方信任的途径交给 {arguments.name}；仅可使用一次。\n"
        f"  对方执行：hefu connector join {arguments.out.name}\n"
        f"  随后在此执行：hefu broker pending 与 hefu broker certify",
    )
    told = {"participant": arguments.name, "roles": sorted(roles), "hours": arguments.hours}
    output.data({"invitation": str(arguments.out), **told})
    return 0


def _pending(arguments: argparse.Namespace) -> int:
    output = Output.of(arguments)
    with _rooms(arguments) as rooms:
        rows = [_row(each) for each in rooms.enrolments.pending()]
    output.table(
        ("enrolment", "participant", "connector", "roles", "key"),
        [[row["enrolment"], row["participant"], row["connector"], ", ".join(row["roles"]), row["key"]] for row in rows],
        empty="No enrolment waits. Invite somebody: hefu broker invite NAME --role ROLE --out FILE",
    )
    output.data({"pending": rows})
    return 0


def _certify(arguments: argparse.Namespace) -> int:
    id_ = arguments.enrolment.removeprefix("enrollments/")
    with _rooms(arguments) as rooms:
        if arguments.request_out is not None:
            return _draft_certification(arguments, rooms, id_)
        signed = (
            charter_commands.read(arguments.statement_in)
            if arguments.statement_in
            else _sign_here(arguments, rooms, id_)
        )
        participant = rooms.enrolments.certify(id_, signed.to_bytes())
    output = Output.of(arguments)
    output.say(f"Certified {participant.id} ({', '.join(sorted(participant.roles))}).", f"已认证 {participant.id}。")
    output.data({"participant": participant.id, "roles": sorted(participant.roles), "digest": signed.digest()})
    return 0


def _sign_here(arguments: argparse.Namespace, rooms: Rooms, id_: str) -> Statement:
    from hefu_broker.founding import read_root, sign_as_root

    return sign_as_root(rooms.enrolments.draft(id_), read_root(arguments.root, root_passphrase()), rooms.clock)


def _draft_certification(arguments: argparse.Namespace, rooms: Rooms, id_: str) -> int:
    output, drafted = Output.of(arguments), rooms.enrolments.draft(id_)
    arguments.request_out.write_bytes(drafted.to_bytes())
    output.say(f"Wrote {arguments.request_out}. On the root's machine: hefu broker root-sign")
    output.data({"request": str(arguments.request_out), "digest": drafted.digest()})
    return 0


def _reject(arguments: argparse.Namespace) -> int:
    output = Output.of(arguments)
    with _rooms(arguments) as rooms:
        rooms.enrolments.reject(arguments.enrolment.removeprefix("enrollments/"))
        rooms.doings.note("enrolment.rejected")
    output.say("Rejected. Its token is used up.", "已拒绝，其令牌已失效。")
    output.data({"enrolment": arguments.enrolment, "state": "rejected"})
    return 0


def _root_sign(arguments: argparse.Namespace) -> int:
    from hefu.times import SystemClock

    from hefu_broker.founding import read_root, sign_as_root

    output, request = Output.of(arguments), charter_commands.read(arguments.request)
    told: dict[str, Any]
    if request.type == CHARTERED:
        told = {"charter": Charter.of(request).body()}
        output.say(f"Signing charter {told['charter']['version']} of {request.space}: {told['charter']}")
    else:
        asked = identity.Participant.of(request)
        told = {"participant": asked.id, "roles": sorted(asked.roles), "keys": [each.key for each in asked.signing]}
        output.say(f"Certifying {asked.id} as {', '.join(told['roles'])} with {', '.join(told['keys'])}.")
    signed = sign_as_root(request, read_root(arguments.root, root_passphrase()), SystemClock())
    arguments.statement_out.write_bytes(signed.to_bytes())
    output.data({**told, "digest": signed.digest()})
    return 0


def _suspend(arguments: argparse.Namespace) -> int:
    with _rooms(arguments) as rooms:
        return _stand(arguments, rooms.standings.suspend(arguments.participant, arguments.reason))


def _revoke(arguments: argparse.Namespace) -> int:
    with _rooms(arguments) as rooms:
        return _stand(arguments, rooms.standings.revoke(arguments.participant, arguments.reason))


def _reinstate(arguments: argparse.Namespace) -> int:
    with _rooms(arguments) as rooms:
        return _stand(arguments, rooms.standings.reinstate(arguments.participant))


def _stand(arguments: argparse.Namespace, status: Statement) -> int:
    output, sequence = Output.of(arguments), identity.StatusList.of(status).sequence
    output.say(f"Done: status list {sequence} is signed.", f"完成：已签署第 {sequence} 号状态表。")
    output.data({"subject": arguments.participant, "sequence": sequence})
    return 0


def _participants(arguments: argparse.Namespace) -> int:
    output = Output.of(arguments)
    with _rooms(arguments) as rooms:
        status = rooms.registry.directory.status
        standings = {each.subject: each.state for each in (status.standings if status else ())}
        rows = [
            {
                "participant": each.id,
                "name": pick(each.names, output.language),
                "roles": sorted(each.roles),
                "state": standings.get(each.id, "active"),
                "connectors": sorted({str(one.body["connector"]) for one in rooms.registry.bindings(each.id)}),
            }
            for each in rooms.registry.directory.participants()
        ]
    headings = ("participant", "name", "roles", "state", "connectors")
    output.table(headings, [[_cell(row[name]) for name in headings] for row in rows])
    output.data({"participants": rows})
    return 0


@contextmanager
def _rooms(arguments: argparse.Namespace) -> Iterator[Rooms]:
    from hefu_broker.bootstrap import open_rooms

    rooms = open_rooms(arguments.dir, space=arguments.space)
    try:
        yield rooms
    finally:
        rooms.database.close()


def _row(found: Enrolment) -> dict[str, Any]:
    asked = Statement.parse(found.request)
    return {
        "enrolment": found.id,
        "participant": found.participant,
        "connector": found.connector,
        "roles": sorted(found.roles),
        "key": asked.signatures[0].key,
    }


def _cell(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
