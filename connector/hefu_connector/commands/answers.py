"""A computation for people and for machines: the answer with its error, what it cost, what is left, the receipt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hefu.terminal.commands import Output

from hefu_connector.commands import show
from hefu_connector.commands.link import short
from hefu_connector.commands.show import word
from hefu_connector.workbench import answer as workbench
from hefu_connector.workbench import tables

if TYPE_CHECKING:
    from hefu.canonical import Object
    from hefu.v1 import computation_pb2, control_pb2

    Own = control_pb2.OwnComputation


def page(output: Output, found: control_pb2.OwnComputation) -> None:
    """Print a computation."""
    from hefu.v1 import computation_pb2

    if output.as_json:
        return
    if found.HasField("answer"):
        _table(output, found.answer, workbench.keys_of(found))
    else:
        status = show.state(output, computation_pb2.Computation.State.Name(found.computation.state))
        output.say(f"{short(found.computation.name)}: {status}")
    for reason in found.reasons:
        output.say(f"  - {workbench.reason(reason, output.language)}")
    if found.HasField("waiting"):
        whom, since, until = show.waiting_cells(output, found.waiting)
        output.say(f"Waits on {whom} since {since}, until {until}.", f"自 {since} 起等待 {whom}，至 {until}。")
    _costs(output, found)


def document(found: control_pb2.OwnComputation) -> dict[str, object]:
    """For machines."""
    from hefu.v1 import computation_pb2

    answer = None
    if found.HasField("answer"):
        answer = {
            "headings": list(found.answer.headings),
            "rows": [
                [cell.value if cell.HasField("value") else None for cell in row.cells] for row in found.answer.rows
            ],
            "half_widths": [
                [cell.half_width if cell.HasField("half_width") else None for cell in row.cells]
                for row in found.answer.rows
            ],
            "mechanisms": mechanisms(found.answer.mechanisms),
        }
    return {
        "computation": short(found.computation.name),
        "state": computation_pb2.Computation.State.Name(found.computation.state).removeprefix("STATE_").lower(),
        "agreement": short(found.agreement),
        "provider": found.provider,
        "purpose": found.purpose,
        "user": found.user,
        "created": found.create_time,
        "answer": answer,
        "charge": _charge(found),
        "balance": show.balance_document(found.balance) if found.HasField("balance") else None,
        "reasons": list(found.reasons),
        "waiting": show.waiting_document(found.waiting) if found.HasField("waiting") else None,
        "receipt": _receipt_id(found),
    }


def mechanisms(errors: Iterable[computation_pb2.ExpectedError]) -> list[dict[str, str | None]]:
    """How each answer column was made private."""
    return [
        {"column": each.column, "half_width": each.half_width or None, "mechanism": each.mechanism, "scale": each.scale}
        for each in errors
    ]


def _table(output: Output, answer: control_pb2.Answer, keys: int) -> None:
    rows = [
        [*(_label(output, key) for key in row.cells[:keys]), *(_cell(output, cell) for cell in row.cells[keys:])]
        for row in answer.rows
    ]
    output.table(list(answer.headings), rows)
    suppressed = sum(not cell.HasField("value") for row in answer.rows for cell in row.cells[keys:])
    exact = is_exact(answer.mechanisms)
    if suppressed:
        said = _WITHHELD_EXACTLY if exact else _WITHHELD
        output.say(*(each.format(cells=suppressed) for each in said))
    output.say(*(_NO_PRIVACY if exact else _INTERVAL))


def is_exact(mechanisms: Iterable[computation_pb2.ExpectedError]) -> bool:
    """Whether an answer has no noise, and so no differential privacy guarantee."""
    from hefu_connector.computing.exact import WITHOUT_PRIVACY

    return any(each.mechanism == WITHOUT_PRIVACY for each in mechanisms)


_WITHHELD = (
    "{cells} cells are withheld: their noised group is smaller than the contract's minimum.",
    "{cells} 个单元格未给出：其加噪后的分组小于合约规定的最小值。",
)
_WITHHELD_EXACTLY = (
    "{cells} cells are withheld: their group is too small, one unit makes up most of them, or they would give away "
    "a small group together with what was told before.",
    "{cells} 个单元格未给出：其分组过小、由单个个体主导，或与此前已发布的结果相结合会泄露小群体。",
)
_INTERVAL = (
    "± is the half width of a 95 % interval; the noise is part of the answer.",
    "± 为 95 % 区间的半宽；噪声是结果的一部分。",
)
_NO_PRIVACY = (
    "No differential privacy guarantee: figures are exact but for rounding; ± is the most that rounding moved them.",
    "无差分隐私保证：除取整外均为精确数值；± 为取整造成的最大偏差。",
)


def _label(output: Output, key: control_pb2.AnswerCell) -> str:
    return key.value if key.HasField("value") else word(output, tables.EVERY, "（全部）")


def _cell(output: Output, cell: control_pb2.AnswerCell) -> str:
    if not cell.HasField("value"):
        return word(output, "(withheld)", "（未给出）")
    if not cell.HasField("half_width"):
        return cell.value
    return f"{cell.value} ± {tables.interval(cell.half_width)}"


def _costs(output: Output, found: control_pb2.OwnComputation) -> None:
    from hefu.v1 import common_pb2

    charge = _charge(found)
    if charge is not None:
        amount = common_pb2.PrivacyLoss(
            epsilon_nano=charge["epsilon_nano"], delta_femto=charge["delta_femto"], rho_nano=charge.get("rho_nano", 0)
        )
        output.say(f"\nCharged {show.loss(amount)}.", f"\n已扣 {show.loss(amount)}。")
    if found.HasField("balance"):
        told = show.balance_sentence(output, found.balance)
        output.say(f"Contract {short(found.agreement)}: {told}.", f"合约 {short(found.agreement)}：{told}。")
    if found.computation.HasField("receipt"):
        name = short(found.computation.name)
        output.say(
            f"Receipt {_receipt_id(found)} is kept; to have it as a file: hefu compute show {name} --receipt FILE",
            f"回执 {_receipt_id(found)} 已保存；如需文件：hefu compute show {name} --receipt 文件",
        )


def _charge(found: control_pb2.OwnComputation) -> dict[str, int] | None:
    body = _receipt(found)
    charge = body.get("charge") if body else None
    if not isinstance(charge, dict):
        return None
    return {name: int(value) for name, value in charge.items() if isinstance(value, int)}


def _receipt(found: control_pb2.OwnComputation) -> Object | None:
    from hefu.envelope import Statement

    if not found.computation.HasField("receipt"):
        return None
    return Statement.parse(found.computation.receipt.envelope).body


def _receipt_id(found: control_pb2.OwnComputation) -> str | None:
    from hefu.envelope import Statement

    if not found.computation.HasField("receipt"):
        return None
    return Statement.parse(found.computation.receipt.envelope).id
