"""``hefu delivery``: have data delivered under a contract, and use it as the contract says, until it is deleted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hefu.errors import Malformed, Refused
from hefu.terminal.commands import Cell, Output

from hefu_connector.commands import answers, compute, show
from hefu_connector.commands.link import PEER, call, command, commands, control, named, short
from hefu_connector.commands.show import headings, word
from hefu_connector.workbench import questions

if TYPE_CHECKING:
    from hefu.v1 import control_pb2

_SECONDS = 300.0
_STATES = {
    "STATE_ARRIVING": ("arriving", "接收中"),
    "STATE_KEPT": ("kept", "保存中"),
    "STATE_DELETED": ("deleted", "已删除"),
}


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    group = commands(parser)
    one = command(group, "request", "have rows or a file delivered under a contract, and wait for them", _ask)
    one.add_argument("--contract", required=True, help="the agreement, such as agr-…")
    compute.of_several(one)
    one.add_argument("--processing", default="", help="raw, masked, sampled or anonymised (default: the contract's)")
    one.add_argument("--columns", default="", help="names with commas between (default: all that the contract names)")
    one.add_argument("--rows", type=int, default=0, help="at most so many (default: as many as the contract allows)")
    one.add_argument("--share", default="", help="of the units, for a sample (default: the contract's)")
    one.add_argument("--purpose", default="", help="what for (default: the contract's purpose)")
    command(group, "list", "list what was delivered here, until when it is kept, and what is deleted", _list)
    one = command(group, "show", "show one delivery and the proof that it was deleted", _show)
    one.add_argument("delivery", help="id of the delivery (cmp-…)")
    one = command(group, "read", "read a delivery, if its contract permits it now; the use is journalled", _read)
    one.add_argument("delivery", help="id of the delivery (cmp-…)")
    one.add_argument("--purpose", default="", help="what for (default: the contract's purpose)")
    one.add_argument("--limit", type=int, default=0, help="show at most so many rows (default: all)")
    one = command(group, "export", "write a delivery to a file outside the connector, if its contract permits", _export)
    one.add_argument("delivery", help="id of the delivery (cmp-…)")
    one.add_argument("--output", required=True, metavar="FILE", help="a new file: CSV for rows, the bytes of a file")
    one.add_argument("--purpose", default="", help="what for (default: the contract's purpose)")
    one = command(group, "delete", "delete a delivery now; the signed proof goes to its provider and the log", _delete)
    one.add_argument("delivery", help="id of the delivery (cmp-…)")


def _ask(arguments: argparse.Namespace) -> int:
    from hefu.v1 import computation_pb2, control_pb2

    output = Output.of(arguments)
    with control(arguments) as stub:
        contract = questions.contract(stub, arguments.contract)
        made = questions.send(stub, contract.agreement_name, _plan(arguments, contract), arguments.purpose)
        name = short(made.computation.name)
        output.progress(f"{name}: asked of {made.provider}", f"{name}：已向 {made.provider} 申请")
        found = compute.follow(output, stub, made.computation.name)
        if found.computation.state != computation_pb2.Computation.STATE_RELEASED:
            output.data(answers.document(found))
            answers.page(output, found)
            return 1
        return _tell(output, call(stub.GetDelivery, control_pb2.GetDeliveryRequest(name=f"deliveries/{name}")))


def _list(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    with control(arguments) as stub:
        found = call(stub.ListDeliveries, control_pb2.ListDeliveriesRequest()).deliveries
    output.data({"deliveries": [_document(each) for each in found]})
    heads = headings(
        output, ("delivery", "交付"), ("state", "状态"), ("processing", "处理方式"), ("rows", "行数"),
        ("provider", "提供方"), ("contract", "合约"), ("kept until", "保存至"), ("uses", "使用次数"),
        ("proof with provider", "证明已送达"),
    )  # fmt: skip
    empty = word(
        output, "Nothing was delivered yet. Next: hefu delivery request",
        "尚无交付。下一步：hefu delivery request",
    )  # fmt: skip
    output.table(heads, [_row(output, each) for each in found], empty)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    with control(arguments) as stub:
        name = named("deliveries", arguments.delivery)
        return _tell(output, call(stub.GetDelivery, control_pb2.GetDeliveryRequest(name=name)))


def _read(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    pieces = _use(arguments, control_pb2.UseDeliveryRequest.USE_READ)
    first = next(pieces)
    if list(first.types) == ["file"]:
        data = b"".join(each.data for each in pieces)
        if output.as_json:
            raise Refused("command.file", path=arguments.delivery, why="it is a file; read it without --json")
        sys.stdout.buffer.write(data)
        return 0
    rows = [_cells(row) for each in pieces for row in each.rows]
    shown = rows[: arguments.limit] if arguments.limit else rows
    output.data({"headings": list(first.headings), "types": list(first.types), "rows": shown})
    empty = word(output, "The delivery has no rows.", "该交付没有数据行。")
    output.table(list(first.headings), [["" if cell is None else cell for cell in row] for row in shown], empty)
    if len(shown) < len(rows):
        output.say(f"{len(rows)} rows in all.", f"共 {len(rows)} 行。")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output, path = Output.of(arguments), Path(arguments.output).expanduser()
    if path.exists():
        raise Malformed("command.exists", path=str(path))
    pieces = list(_use(arguments, control_pb2.UseDeliveryRequest.USE_EXPORT))
    _write(path, pieces)
    output.data({"delivery": arguments.delivery, "path": str(path)})
    output.say(
        f"Written to {path}. From here on the connector cannot keep it; the contract still binds you.",
        f"已写入 {path}。此后连接器无法再管控，合约对您仍有约束力。",
    )
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    with control(arguments) as stub:
        name = named("deliveries", arguments.delivery)
        return _tell(output, call(stub.DeleteDelivery, control_pb2.DeleteDeliveryRequest(name=name)))


def _use(
    arguments: argparse.Namespace, use: control_pb2.UseDeliveryRequest.Use.ValueType
) -> Iterator[control_pb2.DeliveredData]:
    from hefu.v1 import control_pb2
    from hefu.wire import transport

    name = named("deliveries", arguments.delivery)
    request = control_pb2.UseDeliveryRequest(name=name, use=use, purpose=arguments.purpose)
    with control(arguments) as stub:
        yield from transport.stream(stub.UseDelivery, request, peer=PEER, timeout=_SECONDS)


def _plan(arguments: argparse.Namespace, contract: control_pb2.Contract) -> bytes:
    """What to ask: as the flags say, and where they do not, as much as the contract's own policy permits."""
    from decimal import Decimal

    from hefu import canonical
    from hefu.envelope import Statement
    from hefu_policies import odrl
    from hefu_policies.agreeing.agreement import Agreement
    from hefu_policies.words.terms import DELIVER, FILE, ROWS

    from hefu_connector.computing.delivery import MOST_CELLS, MOST_ROWS, DeliveryPlan

    description = questions.described(contract, arguments.product)
    signed = Agreement.of(Statement.parse(contract.agreement.envelope).body)
    agreement = signed.over(description.product) or signed
    rules = [rule for each in agreement.terms for rule in odrl.load(each.policy).permissions]
    said = _limits([rule for rule in rules if rule.action == DELIVER], arguments.processing)
    schema = tuple(each.name for each in description.resources[0].schema)
    columns = tuple(filter(None, arguments.columns.split(","))) or tuple(
        name for name in schema if name in said.get("column", schema)
    )
    form = FILE if FILE in said.get("outputKind", ()) else ROWS
    most = min(MOST_ROWS, MOST_CELLS // max(1, len(columns)), *map(int, said.get("outputRows", ())))
    processing = arguments.processing or str(next(iter(said.get("processing", ())), ""))
    share = arguments.share or next(iter(said.get("share", ())), "")
    return canonical.encode(
        DeliveryPlan(
            product=agreement.product,
            columns=columns,
            processing=processing,
            rows=1 if form == FILE else arguments.rows or most,
            form=form,
            share=Decimal(share) if processing == "sampled" and share else None,
        ).body()
    )


def _limits(rules: list[Any], processing: str) -> dict[str, tuple[Any, ...]]:
    """What the first permission to deliver says that names the processing, by operand."""
    from hefu_policies.deciding.policy import demanded

    for rule in rules:
        said = {each.operand.name: each.values for each in demanded(rule)}
        if not processing or processing in said.get("processing", ()):
            return said
    return {}


def _write(path: Path, pieces: list[control_pb2.DeliveredData]) -> None:
    import csv
    import os

    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as fault:
        raise Malformed("command.file", path=str(path), why=fault.strerror or "not writable") from None
    if list(pieces[0].types) == ["file"]:
        with os.fdopen(handle, "wb") as file:
            file.writelines(each.data for each in pieces)
        return
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(pieces[0].headings)
        writer.writerows(_cells(row) for each in pieces for row in each.rows)


def _cells(row: control_pb2.DeliveredRow) -> list[str | None]:
    return [cell.value if cell.HasField("value") else None for cell in row.cells]


def _tell(output: Output, found: control_pb2.Delivery) -> int:
    output.data(_document(found))
    name, status, under = short(found.name), _state(output, found), short(found.agreement)
    output.say(
        f"{name}: {status}; {found.rows} rows, {found.processing}, from {found.provider} under {under}",
        f"{name}：{status}；{found.rows} 行，{found.processing}，来自 {found.provider}，合约 {under}",
    )
    if found.HasField("deletion"):
        sent = word(output, "its provider has the proof", "提供方已收到证明") if found.confirmed else word(
            output, "the proof is on its way to the provider", "证明正发往提供方"
        )  # fmt: skip
        output.say(f"Deleted ({found.cause}); {sent}.", f"已删除（{found.cause}）；{sent}。")
    else:
        export = word(output, "may be exported", "可导出") if found.export_permitted else word(
            output, "may not leave the connector", "不得导出连接器"
        )  # fmt: skip
        until = show.when(found.delete_by_time)
        output.say(
            f"Kept until {until} at the latest; {export}. Next: hefu delivery read {name}",
            f"最晚保存至 {until}；{export}。下一步：hefu delivery read {name}",
        )
    return 0


def _row(output: Output, found: control_pb2.Delivery) -> tuple[Cell, ...]:
    proof = ""
    if found.HasField("deletion"):
        proof = word(output, "yes", "是") if found.confirmed else word(output, "not yet", "尚未")
    return (
        short(found.name), _state(output, found), found.processing, found.rows, found.provider, short(found.agreement),
        show.when(found.delete_by_time), found.uses, proof,
    )  # fmt: skip


def _state(output: Output, found: control_pb2.Delivery) -> str:
    from hefu.v1 import control_pb2

    return word(output, *_STATES[control_pb2.Delivery.State.Name(found.state)])


def _document(found: control_pb2.Delivery) -> dict[str, object]:
    from hefu.envelope import Statement
    from hefu.v1 import control_pb2

    proof = Statement.parse(found.deletion.envelope) if found.HasField("deletion") else None
    return {
        "delivery": short(found.name),
        "state": control_pb2.Delivery.State.Name(found.state).removeprefix("STATE_").lower(),
        "agreement": short(found.agreement),
        "provider": found.provider,
        "product": short(found.product),
        "processing": found.processing,
        "form": found.form,
        "columns": list(found.columns),
        "rows": found.rows,
        "delivered": found.delivery_time,
        "delete_by": found.delete_by_time,
        "uses": found.uses,
        "cause": found.cause or None,
        "proof": proof.id if proof else None,
        "confirmed": found.confirmed,
        "export_permitted": found.export_permitted,
    }
