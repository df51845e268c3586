"""``hefu product``: draft a description from a source, check it, publish it, list and retire products."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hefu.errors import Malformed, Unavailable
from hefu.terminal.commands import Output

from hefu_connector.commands import limits, pages
from hefu_connector.commands.link import call, command, commands, control, directory, named, short
from hefu_connector.commands.papers import write_new
from hefu_connector.commands.remarks import on_offers
from hefu_connector.commands.show import word

if TYPE_CHECKING:
    from hefu.v1 import control_pb2
    from hefu.v1.control_pb2_grpc import ControlServiceStub

    from hefu_connector.computing.served_model import Told
    from hefu_connector.descriptions.check import Checked, Registered
    from hefu_connector.descriptions.faults import Fault

_NOT_RUNNING = ("control.absent", "peer.unreachable")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    group = commands(parser)
    one = command(group, "draft", "write a product file from a source's columns; it marks what you must decide", _draft)
    one.add_argument("source", help="a registered source; see hefu source list")
    one.add_argument("--output", "-o", metavar="FILE", help="where to write (default: SOURCE.yaml; - for the terminal)")
    one = command(group, "check", "tell every mistake in a product file, with its line and what to write", _check)
    one.add_argument("file", help="the product file")
    one = command(group, "publish", "sign and publish a product file; again, it becomes the next version", _publish)
    one.add_argument("file", help="the product file")
    command(group, "list", "list your own products, retired ones too", _list)
    one = command(group, "retire", "take a product off the catalog; its contracts go on", _retire)
    one.add_argument("product", help="the product's id, such as prd-…")
    one.add_argument("--reason", required=True, help="why, in a sentence; it is published")
    limits.add(group)


def _draft(arguments: argparse.Namespace) -> int:
    from hefu.envelope import new_id
    from hefu.v1 import control_pb2

    from hefu_connector.descriptions.draft import draft

    output = Output.of(arguments)
    with control(arguments) as stub:
        request = control_pb2.InspectSourceRequest(name=named("sources", arguments.source))
        found = call(stub.InspectSource, request, 120)
    columns = {each.name: each.type for each in found.columns}
    text = draft(arguments.source, columns, new_id("prd"), output.language, _told(found))
    target = arguments.output or f"{arguments.source}.yaml"
    if target == "-":
        output.say(text)
    else:
        write_new(Path(target), text)
    open_ = text.count(": DECIDE")
    output.data({"file": target, "text": text, "decisions": open_})
    if target != "-":
        output.say(
            f"Wrote {target}. Decide the {open_} places marked DECIDE, then: hefu product check {target}",
            f"已写入 {target}。请决定 {open_} 处 DECIDE，然后执行：hefu product check {target}",
        )
    return 0


def _check(arguments: argparse.Namespace) -> int:
    output = Output.of(arguments)
    text = _read(arguments.file)
    try:
        with control(arguments) as stub:
            checked, compared = _examine(text, stub, _region(arguments)), True
    except Unavailable as error:
        if error.code not in _NOT_RUNNING:
            raise
        checked, compared = _examine(text, None, _region(arguments)), False
    remarked = on_offers(checked.description, output)
    output.data(
        {
            "file": arguments.file,
            "ok": not checked.faults,
            "compared_with_source": compared,
            "faults": [_fault(each, output) for each in checked.faults],
            "warnings": [_fault(each, output) for each in checked.warnings],
            "remarks": {name: each._asdict() for name, each in remarked.items()},
        }
    )
    for each in checked.warnings:
        output.say(f"{arguments.file}: warning: {each.told()}", f"{arguments.file}：警告：{each.told('zh')}")
    for each in checked.faults:
        output.say(f"{arguments.file}: {each.told(output.language)}")
    for name, remark in remarked.items():
        output.say(f"Offer {name}", f"报价 {name}")
        remark.tell(output)
    if not compared:
        output.say(
            "Not compared with its source: no connector runs here. Start it: hefu connector serve",
            "未与数据源比对：连接器未运行。请执行：hefu connector serve",
        )
    if checked.faults:
        output.say(f"\n{len(checked.faults)} mistakes.", f"\n共 {len(checked.faults)} 处错误。")
        return 1
    output.say(
        f"In order. Next: hefu product publish {arguments.file}", f"无误。下一步：hefu product publish {arguments.file}"
    )
    return 0


def _publish(arguments: argparse.Namespace) -> int:
    from hefu import canonical
    from hefu.v1 import control_pb2

    from hefu_connector.descriptions.faults import refuse

    output = Output.of(arguments)
    text = _read(arguments.file)
    with control(arguments) as stub:
        checked = _examine(text, stub)
        refuse(checked.faults, arguments.file, output.language)
        if checked.description is None:
            raise Malformed("product.faulty", name=arguments.file, count=0)
        request = control_pb2.ControlServicePublishProductRequest(
            description=canonical.encode(checked.description.body()), source=named("sources", checked.source)
        )
        made = call(stub.PublishProduct, request)
    output.data(pages.product_document(made))
    description = pages.describe(made)
    output.say(
        f"Published {description.product} as version {description.version}. "
        f"See it: hefu catalog show {description.product}",
        f"已发布 {description.product}，版本 {description.version}。查看：hefu catalog show {description.product}",
    )
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    with control(arguments) as stub:
        found = call(stub.ListProducts, control_pb2.ListProductsRequest()).products
    output.data({"products": [pages.product_document(each) for each in found]})
    empty = word(
        output, "No products yet. Next: hefu product draft SOURCE", "尚无产品。下一步：hefu product draft 数据源"
    )
    output.table(pages.product_headings(output), [pages.product_row(output, each) for each in found], empty)
    return 0


def _retire(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    request = control_pb2.ControlServiceRetireProductRequest(
        name=named("products", arguments.product), reason=arguments.reason
    )
    with control(arguments) as stub:
        made = call(stub.RetireProduct, request)
    output.data(pages.product_document(made))
    output.say(f"Retired {arguments.product}. Its contracts go on.", f"已下架 {arguments.product}。既有合约继续有效。")
    return 0


def _told(found: control_pb2.InspectSourceResponse) -> Told | None:
    """What may be told of a source that is a model."""
    from hefu import canonical

    from hefu_connector.computing.served_model import Told

    return Told.of(canonical.decode(found.model)) if found.model else None


def _examine(text: str, stub: ControlServiceStub | None, region: str = "") -> Checked:
    from hefu_connector.descriptions.check import check

    return check(text, _sources(stub) if stub is not None else None, region)


def _fault(fault: Fault, output: Output) -> dict[str, object]:
    return {"line": fault.line, "place": fault.place, "code": fault.what, "message": fault.text(output.language)}


def _region(arguments: argparse.Namespace) -> str:
    """Where the connector of this directory computes; empty where there is none."""
    from hefu_connector.settings import Home, Settings

    home = Home(directory(arguments))
    return Settings.read(home).region if home.settings.exists() else ""


def _sources(stub: ControlServiceStub) -> Registered:
    from hefu.v1 import control_pb2

    from hefu_connector.descriptions.check import SourceView

    def inspect(name: str) -> SourceView:
        found = call(stub.InspectSource, control_pb2.InspectSourceRequest(name=name), 120)
        columns = {each.name: each.type for each in found.columns}
        return SourceView(short(name), found.source.resource, columns, _told(found))

    found = call(stub.ListSources, control_pb2.ListSourcesRequest()).sources
    return {short(each.name): partial(inspect, each.name) for each in found}


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError as fault:
        raise Malformed("command.file", path=path, why=fault.strerror or "not readable") from None
    except UnicodeDecodeError:
        raise Malformed("command.file", path=path, why="not UTF-8") from None
