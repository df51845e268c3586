"""``hefu source``: register where the provider's own data is. The data stays there."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from hefu.errors import Malformed
from hefu.terminal.commands import Output

from hefu_connector.commands.link import call, command, commands, control, named, short
from hefu_connector.commands.show import headings

if TYPE_CHECKING:
    from hefu.v1 import control_pb2

_LAYING_SECONDS = 6 * 3600


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    group = commands(parser)
    for name, help_, run in (
        ("add", "register a source of data under a name", _add),
        ("change", "change where a source is or how it is read; its budget stays the same", _change),
    ):
        one = command(group, name, help_, run)
        one.add_argument("name", help="a name of your choice, such as admissions")
        one.add_argument(
            "uri",
            help="path of a CSV, Parquet or Arrow file, Delta or Iceberg table or model; "
            "URL of a database without a password",
        )
        one.add_argument(
            "--form",
            default="",
            choices=("", "csv", "parquet", "arrow", "delta", "iceberg", "model", "file"),
            help="form (default: by ending, or by a folder's log); file: delivered whole and never looked into",
        )
        one.add_argument(
            "--option",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help="how to read it, such as delimiter=; or encoding=gb18030; may be repeated",
        )
        counted = "PostgreSQL or Spark counts by itself: nothing is copied for a question; all columns need their types"
        one.add_argument("--in-place", action="store_true", help=counted)
        renamed = "call the source's COLUMN by NAME in products; may be repeated"
        one.add_argument("--column", action="append", default=[], metavar="NAME=COLUMN", help=renamed)
    help_ = "lay a source out as it is now, for fast questions; they read that until it is laid out anew"
    one = command(group, "refresh", help_, _refresh)
    one.add_argument("name", help="the source's name")
    one.add_argument(
        "--release", action="store_true", help="forget what is laid out: questions read the source as it is then"
    )
    command(group, "list", "list the registered sources", _list)
    one = command(group, "remove", "forget a source; its data and its spent budget stay", _remove)
    one.add_argument("name", help="the source's name")


def _add(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    with control(arguments) as stub:
        made = call(stub.CreateSource, control_pb2.CreateSourceRequest(source=_source(arguments)), 120)
    output.data(_document(made))
    output.say(
        f"Registered {short(made.name)} ({made.resource}). Next: hefu product draft {short(made.name)}",
        f"已登记 {short(made.name)}（{made.resource}）。下一步：hefu product draft {short(made.name)}",
    )
    return 0


def _change(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    with control(arguments) as stub:
        made = call(stub.UpdateSource, control_pb2.UpdateSourceRequest(source=_source(arguments)), 120)
    output.data(_document(made))
    output.say(
        f"Changed {short(made.name)}; it stays the asset {made.resource}.",
        f"已更改 {short(made.name)}；资产仍为 {made.resource}。",
    )
    return 0


def _refresh(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output, name = Output.of(arguments), arguments.name
    asked = control_pb2.RefreshSourceRequest(name=named("sources", name), release=arguments.release)
    with control(arguments) as stub:
        made = call(stub.RefreshSource, asked, _LAYING_SECONDS)
    if arguments.release:
        output.data({"name": name})
        output.say(
            f"Questions read {name} as it is at the time. Lay it out again: hefu source refresh {name}",
            f"此后的提问读取 {name} 当时的数据。重新编排：hefu source refresh {name}",
        )
        return 0
    fields = ("snapshot", "origin", "size", "rows", "units", "rows_beyond", "seconds")
    output.data({"name": name} | {each: getattr(made, each) for each in fields})
    share = 100 * made.rows_beyond / max(1, made.rows)
    output.say(
        f"Laid out {name}: {made.rows} rows of {made.units} privacy units in {made.seconds:.1f} s, {made.size} bytes. "
        f"Questions are answered from this snapshot until you refresh it.\n"
        f"{share:.2f} % of the rows lie beyond what one unit may contribute: a count or sum without a filter is lower "
        f"by about so much. Raise max_contribution if that is too much; noise grows with it. Keep these figures to "
        f"yourself: they are exact.",
        f"已编排 {name}：{made.units} 个隐私单元的 {made.rows} 行，用时 {made.seconds:.1f} 秒，{made.size} 字节。"
        f"在下次刷新之前，提问均由此快照回答。\n"
        f"有 {share:.2f} % 的行超出单个单元可贡献的行数：不带筛选的计数或求和约偏低这么多。若偏差过大，请提高 "
        f"max_contribution，噪声会随之增大。这些数字是精确值，请勿对外公布。",
    )
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    with control(arguments) as stub:
        found = call(stub.ListSources, control_pb2.ListSourcesRequest()).sources
    output.data({"sources": [_document(each) for each in found]})
    heads = headings(output, ("name", "名称"), ("form", "格式"), ("where", "位置"), ("asset", "资产"))
    rows = [(short(each.name), each.form, each.uri, each.resource) for each in found]
    empty = (
        "尚无数据源。请执行：hefu source add 名称 路径"
        if output.language == "zh"
        else "No sources yet. Add one: hefu source add NAME PATH"
    )
    output.table(heads, rows, empty)
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    with control(arguments) as stub:
        call(stub.DeleteSource, control_pb2.DeleteSourceRequest(name=named("sources", arguments.name)))
    output.data({"removed": arguments.name})
    output.say(
        f"Removed {arguments.name}. What was spent of its budget stays spent.",
        f"已移除 {arguments.name}。其已用额度不会恢复。",
    )
    return 0


def _source(arguments: argparse.Namespace) -> control_pb2.Source:
    from hefu.v1 import control_pb2

    options = _pairs(arguments.option, "--option")
    if arguments.in_place:
        options["in_place"] = "yes"
    return control_pb2.Source(
        name=named("sources", arguments.name),
        uri=_absolute(arguments.uri),
        form=arguments.form,
        options=options,
        column_names=_pairs(arguments.column, "--column"),
    )


def _absolute(text: str) -> str:
    """A path relative to where the person stands means nothing to the connector; make it absolute."""
    from pathlib import Path

    return text if "://" in text else str(Path(text).expanduser().absolute())


def _pairs(texts: list[str], flag: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise Malformed("command.pair", flag=flag)
        pairs[name] = value
    return pairs


def _document(source: control_pb2.Source) -> dict[str, object]:
    return {
        "name": short(source.name),
        "uri": source.uri,
        "form": source.form,
        "options": dict(source.options),
        "columns": dict(source.column_names),
        "resource": source.resource,
    }
