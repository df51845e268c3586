"""``hefu connector``: set up a participant's connector, enrol it, run it, and see what waits."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hefu.errors import Malformed, Unavailable
from hefu.terminal.commands import Output, pick

from hefu_connector.commands import copies, replica, show
from hefu_connector.commands.link import call, command, commands, control, directory, short
from hefu_connector.commands.show import headings, word

if TYPE_CHECKING:
    from hefu.v1 import control_pb2

    from hefu_connector.membership.enrolling import Enrolment


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    group = commands(parser)
    one = command(group, "init", "make a connector's directory with its keys and settings", _init)
    one.add_argument("--name", required=True, help="the participant's id, such as hospital-a")
    one.add_argument(
        "--title",
        required=True,
        help="the participant's name for people; English, or Chinese if it has Chinese letters",
    )
    one.add_argument("--title-zh", default="", help="its Chinese name, where --title is English")
    one.add_argument("--space", required=True, metavar="space.json", help="the space file from the operator")
    one.add_argument("--role", action="append", required=True, choices=("provider", "consumer"), help="may be repeated")
    one.add_argument("--connector", default="", help="the connector's own id (default: NAME-c1)")
    reached = "where other connectors reach this one; a provider needs it (port 0 draws one)"
    one.add_argument("--listen", default=None, metavar="HOST:PORT", help=reached)
    one.add_argument("--endpoint", default="", metavar="HOST:PORT", help="what others dial, where it is not --listen")
    _add_secret(one, "--secret")
    _add_join(
        command(group, "join", "join a space with an invitation from its operator: all that init and enroll do", _join)
    )
    one = command(group, "enroll", "ask to be certified, with the operator's one-time token", _enroll)
    one.add_argument("--token", default="", help="the one-time token; not needed to ask again how it stands")
    one.add_argument("--wait", action="store_true", help="wait until the holder of the root key has certified it")
    one = command(group, "serve", "run the connector in the foreground", _serve)
    one.add_argument("--http", metavar="HOST:PORT", help="health, readiness and metrics here (overrules the settings)")
    command(group, "status", "show who this connector is and everything that waits", _status)
    command(group, "witness", "be a witness of the space's log, and show the line for its policy", _witness)
    copies.add(group)
    replica.add(group)
    text = "what this connector's database and keys are encrypted under"
    secrets = commands(group.add_parser("secret", help=text, description=text))
    _add_secret(command(secrets, "change", "keep everything under another secret from now on", _change), "--to")


def _add_secret(parser: argparse.ArgumentParser, name: str) -> None:
    text = (
        "file:PATH (drawn if it is not there), env:NAME or passphrase: what database and keys are encrypted under "
        "(default: a new file below ~/.config/hefu/secrets)"
    )
    parser.add_argument(name, dest="secret", default="", metavar="SECRET", help=text)


def _add_join(one: argparse.ArgumentParser) -> None:
    one.add_argument("invitation", type=Path, metavar="FILE", help="what hefu broker invite wrote")
    one.add_argument("--connector", default="", help="the connector's own id (default: NAME-c1)")
    one.add_argument("--title", default="", help="the participant's name for people, where it is not the invitation's")
    one.add_argument("--title-zh", default="", help="its Chinese name, where --title is English")
    reached = "where other connectors dial this one; not needed where the space has a relay (port 0 draws one)"
    one.add_argument("--listen", default=None, metavar="HOST:PORT", help=reached)
    one.add_argument("--endpoint", default="", metavar="HOST:PORT", help="what others dial, where it is not --listen")
    _add_secret(one, "--secret")
    beside = "this participant's connector in another space: share its sources, and one lifetime total for each asset"
    one.add_argument("--beside", type=Path, metavar="DIR", help=beside)
    one.add_argument("--no-wait", action="store_true", help="do not wait for the holder of the root key")


def _join(arguments: argparse.Namespace) -> int:
    from hefu.membership.invitation import Invitation

    from hefu_connector.settings import Home, Settings
    from hefu_connector.setup import Plan, join

    output = Output.of(arguments)
    folder, invitation = directory(arguments), Invitation.read(arguments.invitation)
    names = _names(arguments.title, arguments.title_zh) if arguments.title else invitation.names
    plan = Plan(
        participant=invitation.participant,
        connector=arguments.connector or f"{invitation.participant}-c1",
        names=names,
        roles=invitation.roles,
        listen=arguments.listen,
        endpoint=arguments.endpoint,
        secret=arguments.secret,
        beside=arguments.beside,
    )
    enrolment = join(folder, invitation, plan)
    if enrolment.finished or enrolment.poll():
        return _enrolled(output, folder)
    secret = Settings.read(Home(folder)).secret
    output.progress(
        f"Joining {invitation.space.space} as {enrolment.participant} in {folder}, opened by the secret {secret}: "
        f"keep copies of both, in two safe places.\n"
        f"Waits for the operator to certify the key {enrolment.key}; tell it to them, for comparison.",
        f"正以 {enrolment.participant} 之名加入 {invitation.space.space}。\n"
        f"{folder} 由口令 {secret} 保护：请分别妥善备份。\n"
        f"等待运营者认证密钥 {enrolment.key}；请告知对方以便核对。",
    )
    if not arguments.no_wait:
        enrolment.wait()
        return _enrolled(output, folder)
    return _pending(output, enrolment, folder)


def _init(arguments: argparse.Namespace) -> int:
    from hefu_connector.setup import Plan, init

    output = Output.of(arguments)
    folder = directory(arguments)
    names = _names(arguments.title, arguments.title_zh)
    plan = Plan(
        participant=arguments.name,
        connector=arguments.connector or f"{arguments.name}-c1",
        names=names,
        roles=frozenset(arguments.role),
        listen=arguments.listen,
        endpoint=arguments.endpoint,
        secret=arguments.secret,
    )
    secret = init(folder, Path(arguments.space), plan).secret
    made = {"participant": plan.participant, "connector": plan.connector, "secret": secret}
    output.data({"directory": str(folder), **made})
    output.say(
        f"Made {folder}; it opens with the secret {secret}. Keep copies of both, in two safe places.\n"
        f"Next: hefu connector enroll --dir {folder} --token TOKEN --wait   (the token comes from the operator)",
        f"已建立 {folder}，由口令 {secret} 保护。请将两者分别妥善备份。\n"
        f"下一步：hefu connector enroll --dir {folder} --token 令牌 --wait （令牌由运营者发放）",
    )
    return 0


def _enroll(arguments: argparse.Namespace) -> int:
    from hefu_connector.membership.enrolling import Enrolment

    output = Output.of(arguments)
    folder = directory(arguments)
    enrolment = Enrolment(folder)
    if enrolment.finished:
        return _enrolled(output, folder)
    if arguments.token:
        enrolment.submit(arguments.token)
    waiting = enrolment.waiting()
    if enrolment.poll():
        return _enrolled(output, folder)
    since = show.when(waiting.since)
    output.progress(
        f"Waits since {since} for the holder of the root key to certify {enrolment.participant}.",
        f"自 {since} 起等待根密钥持有人认证 {enrolment.participant}。",
    )
    if arguments.wait:
        enrolment.wait()
        return _enrolled(output, folder)
    return _pending(output, enrolment, folder)


def _pending(output: Output, enrolment: Enrolment, folder: Path) -> int:
    waiting = enrolment.waiting()
    output.data({"state": "pending", "waiting": {"on": "root", "since": waiting.since, "until": waiting.until}})
    output.say(
        f"Ask again later: hefu connector enroll --dir {folder}", f"稍后再查：hefu connector enroll --dir {folder}"
    )
    return 0


def _serve(arguments: argparse.Namespace) -> int:
    from hefu_connector.setup import serve

    output = Output.of(arguments)
    folder = directory(arguments)

    def ready(endpoint: str, http: int) -> None:
        output.data(
            {"directory": str(folder), "endpoint": endpoint, "ready": True, **({"http_port": http} if http else {})}
        )
        where = endpoint or word(output, "no port is open to others", "不对外开放端口")
        output.say(
            f"Serving {folder} ({where}). Stop with Ctrl-C.", f"连接器已运行：{folder}（{where}）。按 Ctrl-C 停止。"
        )

    serve(folder, ready, arguments.http)
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    try:
        with control(arguments) as stub:
            found = call(stub.GetConnector, control_pb2.GetConnectorRequest())
    except Unavailable:
        if not _tell_enrolment(arguments, output):
            raise
        return 0
    output.data(_document(found))
    if output.as_json:
        return 0
    name = pick(dict(found.titles), output.language)
    pairs = (
        ("participant", "参与方", f"{name} ({found.participant})" if name else found.participant),
        ("connector", "连接器", short(found.name)),
        ("space", "空间", found.space),
        ("roles", "角色", ", ".join(found.roles)),
        ("reached at", "接入地址", _reached(output, found)),
        ("certificate until", "证书有效至", show.when(found.certificate_expire_time)),
        ("status list of", "状态表时间", show.when(found.status_time) or word(output, "none yet", "尚无")),
        ("you are", "当前用户", found.user),
    )
    for en, zh, text in pairs:
        output.say(f"{en}: {text}", f"{zh}：{text}")
    output.say("")
    heads = headings(
        output,
        ("waits", "等待中"),
        ("id", "标识"),
        ("how many", "数量"),
        ("on", "等待"),
        ("since", "自"),
        ("until", "至"),
    )
    rows = [
        (show.waiting_kind(output, each), short(each.name), each.count, *show.waiting_cells(output, each))
        for each in found.waiting
    ]
    output.table(heads, rows, word(output, "Nothing waits.", "没有等待中的事项。"))
    return 0


def _witness(arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    from hefu.space import SpaceFile

    from hefu_connector.membership.witnessing import own_key
    from hefu_connector.settings import Home, Settings

    output, home = Output.of(arguments), Home(directory(arguments))
    settings, space = Settings.read(home), SpaceFile.read(home.space).space
    opened = settings.lock(home).open()
    key = own_key(home.keys, settings.participant, space, opened.passphrase if opened else None)
    replace(settings, witness=True).write(home)
    line = f"witness {settings.participant} {key.public}"
    output.say(
        f"This connector cosigns the log from its next start on. The line for the witness policy:\n{line}",
        f"自下次启动起，本连接器联署日志检查点。见证策略中的一行：\n{line}",
    )
    output.data({"key": str(key.public), "line": line})
    return 0


def _change(arguments: argparse.Namespace) -> int:
    from hefu_connector.unlocking import change

    output, folder = Output.of(arguments), directory(arguments)
    kept = change(folder, arguments.secret)
    output.data({"directory": str(folder), "secret": kept})
    output.say(
        f"{folder} opens with {kept} from its next start on. The old secret opens nothing here any more. Destroy it\n"
        "once every directory that shares the store (replicas, other spaces) is changed too: each has its own keys.",
        f"自下次启动起，{folder} 由 {kept} 打开。旧口令在此已失效；\n"
        "待共用存储的其他目录（副本、其他空间）逐一更换后再销毁：各目录各有密钥。",
    )
    return 0


def _tell_enrolment(arguments: argparse.Namespace, output: Output) -> bool:
    """Tell how an enrolment stands, where it is that what the connector still lacks."""
    from hefu_connector.membership.enrolling import Enrolment

    folder = directory(arguments)
    try:
        enrolment = Enrolment(folder)
        waiting = enrolment.waiting()
    except Malformed:
        return False
    if enrolment.finished:
        return False
    output.data(
        {
            "enrolled": False,
            "waiting": [{"kind": "enrollment", "on": "root", "since": waiting.since, "until": waiting.until}],
        }
    )
    output.say(
        f"{enrolment.participant} is not enrolled yet; waits for the holder of the root key since "
        f"{show.when(waiting.since)}. Next: hefu connector enroll --dir {folder} --wait",
        f"{enrolment.participant} 尚未入网，自 {show.when(waiting.since)} 起等待根密钥持有人。"
        f"下一步：hefu connector enroll --dir {folder} --wait",
    )
    return True


def _enrolled(output: Output, folder: Path) -> int:
    output.data({"state": "certified", "directory": str(folder)})
    output.say(
        f"Enrolled. Next: hefu connector serve --dir {folder}", f"已入网。下一步：hefu connector serve --dir {folder}"
    )
    return 0


def _names(title: str, chinese: str) -> dict[str, str]:
    own = "zh" if any("\u4e00" <= letter <= "\u9fff" for letter in title) else "en"
    return {own: title, **({"zh": chinese} if chinese else {})}


def _reached(output: Output, found: control_pb2.Connector) -> str:
    ways = [found.endpoint] if found.endpoint else []
    ways += [word(output, f"the relay {each}", f"中继 {each}") for each in found.relays]
    return ", ".join(ways) or word(output, "nobody may dial in", "不接受接入")


def _document(found: control_pb2.Connector) -> dict[str, object]:
    return {
        "connector": short(found.name),
        "participant": found.participant,
        "names": dict(found.titles),
        "space": found.space,
        "roles": list(found.roles),
        "endpoint": found.endpoint or None,
        "relays": list(found.relays),
        "certificate_until": found.certificate_expire_time or None,
        "status_list_of": found.status_time or None,
        "user": found.user,
        "waiting": [show.waiting_document(each) for each in found.waiting],
    }
