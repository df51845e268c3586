"""``hefu contract suspend|resume|alarms``: what is done and seen after an agreement was made."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from hefu.commands import Output

from hefu_connector.commands import show
from hefu_connector.commands.link import Commands, call, command, control, named, short
from hefu_connector.commands.show import headings, word

if TYPE_CHECKING:
    from hefu.v1 import control_pb2

_CODES = {
    "agreement.suspended": ("suspended", "已中止"),
    "agreement.resumed": ("resumed", "已恢复"),
    "agreement.terminated": ("ended before its time", "提前终止"),
    "duty.violated": ("a duty was not performed in time", "义务逾期未履行"),
    "delivery.unproven": ("deletion is not proven", "未证明已删除"),
    "receipt.differs": ("a receipt is not as agreed", "回执与合约不符"),
}


def add(group: Commands) -> None:
    """Add the subcommands."""
    for name, help_, run in (
        ("suspend", "stop every use of an agreement until you resume it; acts at once", _suspend),
        ("resume", "let a suspended agreement be used again", _resume),
    ):
        one = command(group, name, help_, run)
        one.add_argument("agreement", help="id of the agreement (agr-…)")
        one.add_argument("--reason", required=True, help="why, in a sentence; the other party and the log will have it")
    one = command(group, "alarms", "list what is not as was agreed, and what interrupted or ended a contract", _alarms)
    one.add_argument("agreement", nargs="?", default="", help="id of the agreement (agr-…); all where left out")


def _suspend(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    name = named("agreements", arguments.agreement)
    with control(arguments) as stub:
        made = call(stub.SuspendContract, control_pb2.SuspendContractRequest(name=name, reason=arguments.reason))
    output.data(_document(made))
    output.say(
        f"Suspended: {short(name)}. Running work was stopped. Next: hefu contract resume {short(name)} --reason …",
        f"已中止：{short(name)}。正在进行的计算已停止。恢复：hefu contract resume {short(name)} --reason …",
    )
    return 0


def _resume(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    name = named("agreements", arguments.agreement)
    with control(arguments) as stub:
        made = call(stub.ResumeContract, control_pb2.ResumeContractRequest(name=name, reason=arguments.reason))
    output.data(_document(made))
    output.say(
        f"Resumed: {short(name)}. It is in force again once the log shows it: hefu contract show {short(name)}",
        f"已恢复：{short(name)}。日志收录后即重新生效：hefu contract show {short(name)}",
    )
    return 0


def _alarms(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    name = named("agreements", arguments.agreement) if arguments.agreement else ""
    with control(arguments) as stub:
        found = call(stub.ListAlarms, control_pb2.ListAlarmsRequest(name=name)).alarms
    output.data({"alarms": [alarm_document(each) for each in found]})
    heads = headings(
        output, ("time", "时间"), ("contract", "合约"), ("what", "事项"), ("says", "发出方"), ("about", "针对"),
        ("reason", "原因"),
    )  # fmt: skip
    rows = [
        (show.when(each.time), short(each.agreement), word(output, *_CODES.get(each.code, (each.code, each.code))),
         each.issuer, each.about, each.reason)
        for each in found
    ]  # fmt: skip
    output.table(heads, rows, word(output, "No alarms.", "无告警。"))
    return 0


def alarm_document(alarm: control_pb2.Alarm) -> dict[str, object]:
    """For machines."""
    return {
        "contract": short(alarm.agreement),
        "code": alarm.code,
        "issuer": alarm.issuer,
        "about": alarm.about or None,
        "duty": alarm.duty or None,
        "subject": alarm.subject or None,
        "reason": alarm.reason,
        "time": alarm.time,
    }


def _document(contract: control_pb2.Contract) -> dict[str, object]:
    from hefu.v1 import control_pb2

    return {
        "contract": short(contract.agreement_name),
        "state": control_pb2.Contract.State.Name(contract.state).removeprefix("STATE_").lower(),
        "reason": contract.reason or None,
    }
