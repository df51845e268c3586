"""``hefu contract export``: an agreement in the form of another standard, for a platform or an authority."""

from __future__ import annotations

import argparse
import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

from hefu.errors import Conflict, Language, Malformed
from hefu.terminal.commands import Output

from hefu_connector.commands.link import Commands, call, command, control, named

if TYPE_CHECKING:
    from hefu.canonical import Object
    from hefu.envelope import Signature
    from hefu.v1 import control_pb2
    from hefu_policies.tc609 import DigitalContract

TC609 = "tc609"
_OVER = frozenset({"TERMINATED", "EXPIRED"})


def add(group: Commands) -> None:
    """Add the subcommand."""
    one = command(group, "export", "write an agreement as a Chinese digital contract (TC609-6-2025-14)", _export)
    one.add_argument("agreement", help="id of the agreement (agr-…)")
    one.add_argument("--form", choices=(TC609,), default=TC609, help="the standard (default: tc609)")
    one.add_argument(
        "--subject", action="append", default=[], metavar="PARTICIPANT=ID",
        help="the registered 18 characters (统一社会信用代码) of a party; others get a stand-in that begins with Z",
    )  # fmt: skip
    one.add_argument("--region", default="0000", help='four digits of GB/T 2260, or "00" and two of GB/T 4754')
    one.add_argument("--output", "-o", metavar="FILE", help="a new file (default: the terminal)")


def _export(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2
    from hefu_policies import tc609

    output = Output.of(arguments)
    subjects = dict(_subject(each) for each in arguments.subject)
    request = control_pb2.GetContractRequest(name=named("agreements", arguments.agreement))
    with control(arguments) as stub:
        found = call(stub.GetContract, request)
    view = tc609.write(_contract(found, subjects, arguments.region, output.language))
    if arguments.output is None:
        output.data(view)
        output.say(json.dumps(view, ensure_ascii=False, indent=2))
        return 0
    _write(Path(arguments.output), view)
    output.data({"file": arguments.output, "contractId": view["contractId"]})
    output.say(f"Wrote {arguments.output}.", f"已写入 {arguments.output}。")
    return 0


def _write(path: Path, view: Object) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            json.dump(view, file, ensure_ascii=False, indent=2)
    except FileExistsError:
        raise Conflict("command.exists", path=str(path)) from None


def _contract(
    found: control_pb2.Contract, subjects: dict[str, str], region: str, language: Language
) -> DigitalContract:
    from hefu.envelope import Statement
    from hefu.v1 import control_pb2
    from hefu_policies.agreeing.agreement import Agreement
    from hefu_policies.goods.product import Description
    from hefu_policies.tc609 import DigitalContract, Signed
    from hefu_policies.tc609.words import STATES

    statement = Statement.parse(found.agreement.envelope)
    agreement = Agreement.of(statement.body)
    parties = {each.participant for each in agreement.parties}
    description = Description.of(Statement.parse(found.description.envelope).body)
    title = description.title.get(language) or next(iter(description.title.values()))
    state = control_pb2.Contract.State.Name(found.state).removeprefix("STATE_")
    signed = [Signed(_signer(each), _jws(each), each.time) for each in statement.signatures if _signer(each) in parties]
    return DigitalContract(
        agreement=agreement,
        name=title[:128],
        abstract=(description.description.get(language) or title)[:1024],
        status="06" if state in _OVER else STATES.get(state, STATES.get(state.lower(), "05")),
        signatures=tuple(signed),
        subjects=subjects,
        region=region,
    )


def _signer(signature: Signature) -> str:
    return signature.key.partition("#")[0]


def _jws(signature: Signature) -> str:
    """The detached form of RFC 7515, appendix F: the payload is the agreement's exact bytes."""
    return f"{signature.protected}..{base64.urlsafe_b64encode(signature.value).rstrip(b'=').decode()}"


def _subject(text: str) -> tuple[str, str]:
    participant, equals, subject = text.partition("=")
    if not (participant and equals and subject):
        raise Malformed("contract.value", where="--subject", expected="PARTICIPANT=ID")
    return participant, subject
