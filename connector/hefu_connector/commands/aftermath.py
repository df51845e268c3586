"""``hefu contract suspend|resume|duties|duty|infringed|alarms``: what is done and seen after an agreement was made."""

from __future__ import annotations

import argparse
from contextlib import suppress
from typing import TYPE_CHECKING

from hefu.errors import NotFound
from hefu.terminal.commands import Output

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
    "prohibition.infringed": ("what is forbidden was done", "违反禁止条款"),
    "receipt.differs": ("a receipt is not as agreed", "回执与合约不符"),
}

_SHOWN = 3
_DUES = {
    "before": ("before a use", "使用前"),
    "at": ("at a use", "使用时"),
    "after": ("after a use", "使用后"),
    "always": ("always", "始终"),
    "infringed": ("once it was infringed", "违反禁止条款后"),
}
_STANDS = {
    "STATE_DORMANT": ("not owed now", "尚未产生"),
    "STATE_OWED": ("owed", "待履行"),
    "STATE_FULFILLED": ("performed", "已履行"),
    "STATE_VIOLATED": ("violated", "已违反"),
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
    one = command(group, "duties", "list what is owed under contracts: by whom, until when, who confirms it", _duties)
    one.add_argument("agreement", nargs="?", default="", help="id of the agreement (agr-…); all where left out")
    one = command(group, "duty", "state that a duty was performed: approve, confirm a payment, attest, inform", _duty)
    one.add_argument("agreement", help="id of the agreement (agr-…)")
    one.add_argument("duty", help="its id, or its action where one duty only has it, such as hefu:obtainApproval")
    one.add_argument(
        "--for", dest="subject", default="", metavar="COMPUTATION",
        help="the computation (cmp-…) that waits for it, or after which it is owed (default: the whole agreement)",
    )  # fmt: skip
    one.add_argument("--reference", default="", help="where the proof lies, such as the number of an invoice")
    one = command(group, "infringed", "state that your consumer did what the contract forbids; its remedies are due",
                  _infringed)  # fmt: skip
    one.add_argument("agreement", help="id of the agreement (agr-…)")
    one.add_argument("clause", help="the prohibition's id, as hefu contract show tells it")
    one.add_argument("--for", dest="subject", default="", metavar="COMPUTATION",
                     help="the computation (cmp-…) with whose result it was done")  # fmt: skip
    one.add_argument("--reason", required=True, help="why, in a sentence; the other party and the log will have it")
    one = command(group, "alarms", "list what is not as was agreed, and what interrupted or ended a contract", _alarms)
    one.add_argument("agreement", nargs="?", default="", help="id of the agreement (agr-…); all where left out")


def tell(output: Output, arguments: argparse.Namespace, agreement: str) -> None:
    """What is owed under a contract that is shown, and its newest alarms."""
    from hefu.v1 import control_pb2

    duties, alarms = [], []
    owed = (control_pb2.Duty.STATE_OWED, control_pb2.Duty.STATE_VIOLATED)
    with control(arguments) as stub, suppress(NotFound):  # it may not be in force yet
        duties = call(stub.ListDuties, control_pb2.ListDutiesRequest(name=agreement)).duties
        alarms = call(stub.ListAlarms, control_pb2.ListAlarmsRequest(name=agreement)).alarms
    for duty in duties:
        if duty.state in owed:
            what, stand, until = _action(output, duty.action), _stand(output, duty.state), show.when(duty.due_time)
            output.say(f"  {stand}: {what} ({duty.id}), by {duty.on}, until {until or '—'}",
                       f"  {stand}：{what}（{duty.id}），由 {duty.on}，至 {until or '—'}")  # fmt: skip
    for alarm in alarms[:_SHOWN]:
        what = word(output, *_CODES.get(alarm.code, (alarm.code, alarm.code)))
        output.say(f"  alarm: {show.when(alarm.time)} {what}, says {alarm.issuer}: {alarm.reason}",
                   f"  告警：{show.when(alarm.time)} {what}，{alarm.issuer}：{alarm.reason}")  # fmt: skip


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


def _infringed(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    request = control_pb2.StateInfringementRequest(
        name=named("agreements", arguments.agreement), clause=arguments.clause, subject=arguments.subject,
        reason=arguments.reason,
    )  # fmt: skip
    with control(arguments) as stub:
        made = call(stub.StateInfringement, request)
    output.data(alarm_document(made))
    agreement = short(arguments.agreement)
    output.say(
        f"Stated and told: {made.about} infringed {made.duty}. What is owed now: hefu contract duties {agreement}",
        f"已声明并告知：{made.about} 违反 {made.duty}。现应履行的义务：hefu contract duties {agreement}",
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


def _duties(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    name = named("agreements", arguments.agreement) if arguments.agreement else ""
    with control(arguments) as stub:
        found = call(stub.ListDuties, control_pb2.ListDutiesRequest(name=name)).duties
    output.data({"duties": [duty_document(each) for each in found]})
    heads = headings(
        output, ("contract", "合约"), ("duty", "义务"), ("what", "事项"), ("state", "状态"), ("when", "时点"),
        ("until", "至"), ("on", "由"), ("confirmed by", "确认方"), ("for", "对应"),
    )  # fmt: skip
    rows = [
        (short(each.agreement), each.id, _action(output, each.action), _stand(output, each.state),
         word(output, *_DUES.get(each.due, (each.due, each.due))), show.when(each.due_time), each.on, each.word,
         each.computation or each.subject)
        for each in found
    ]  # fmt: skip
    output.table(heads, rows, word(output, "Nothing is owed.", "没有待履行的义务。"))
    return 0


def _duty(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    request = control_pb2.FulfilDutyRequest(
        name=named("agreements", arguments.agreement), duty=arguments.duty, subject=arguments.subject,
        reference=arguments.reference,
    )  # fmt: skip
    with control(arguments) as stub:
        made = call(stub.FulfilDuty, request)
    output.data(duty_document(made))
    output.say(
        f"Stated and signed: {_action(output, made.action)} ({made.id}). Both parties and the log will have it.",
        f"已声明并签署：{_action(output, made.action)}（{made.id}）。双方与日志均将收到。",
    )
    return 0


def duty_document(duty: control_pb2.Duty) -> dict[str, object]:
    """For machines."""
    from hefu.v1 import control_pb2

    return {
        "contract": short(duty.agreement),
        "duty": duty.id,
        "action": duty.action,
        "subject": duty.subject or None,
        "state": control_pb2.Duty.State.Name(duty.state).removeprefix("STATE_").lower(),
        "when": duty.due,
        "since": duty.since_time or None,
        "until": duty.due_time or None,
        "on": duty.on,
        "confirmed_by": duty.word or None,
        "computation": duty.computation or None,
        "follows": duty.follows or None,
    }


def _action(output: Output, action: str) -> str:
    from hefu_policies.words.terms import ACTIONS

    found = ACTIONS.get(action)
    return word(output, found.en, found.zh) if found is not None else action


def _stand(output: Output, state: control_pb2.Duty.State.ValueType) -> str:
    from hefu.v1 import control_pb2

    name = control_pb2.Duty.State.Name(state)
    return word(output, *_STANDS.get(name, (name, name)))


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
