"""``hefu model``: make the file of a model that is served on encrypted records."""

from __future__ import annotations

import argparse
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from hefu.errors import Malformed
from hefu.terminal.commands import Output

from hefu_connector.commands.link import command, commands

if TYPE_CHECKING:
    from hefu_connector.computing.model import Model

_ANSWERS = ("identity", "ranking", "logistic")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    group = commands(parser)
    one = command(group, "make", "make a model's file of a table of coefficients, or of a scorecard's points", _make)
    one.add_argument(
        "table",
        help="a CSV file: feature,weight,lower,upper (unit, mean, scale) and a line (intercept); or "
        "feature,from,to,points or feature,value,points and a line (base)",
    )
    one.add_argument("--output", "-o", type=Path, required=True, metavar="FILE", help="a new file for the model")
    one.add_argument(
        "--answer",
        choices=_ANSWERS,
        default="identity",
        help="identity: the linear score; ranking: the order of the records of a request; logistic: its logistic value "
        "(default: identity)",
    )
    one.add_argument("--step", default="0.01", help="the grid of what is released, 0.0001 at least (default: 0.01)")


def _make(arguments: argparse.Namespace) -> int:
    from hefu_connector.workbench import coefficients, models

    output, path = Output.of(arguments), arguments.output
    made = coefficients.read(_read(Path(arguments.table)), arguments.answer, _step(arguments.step))
    models.write(made, path)
    output.data({"file": str(path), **_document(made)})
    features = len(made.features)
    output.say(
        f"Wrote {path}: {features} features, answers within {made.tolerance} of the plain model's.\n"
        f"Keep it to yourself: it holds the weights. Whoever has {features + 1} answers can work them out, and every "
        f"request that is answered holds {made.suite.slots}: decide whom you answer at all.\n"
        f"Next: hefu source add NAME {path}, then hefu product draft NAME",
        f"已写入 {path}：{features} 个特征，答复与明文模型的偏差不超过 {made.tolerance}。\n"
        f"该文件含模型权重，请勿外传。得到 {features + 1} 个答复即可推算权重，而每次答复均含 {made.suite.slots} 个；"
        f"请据此决定向谁提供答复。\n"
        f"下一步：hefu source add 名称 {path}，再执行 hefu product draft 名称",
    )
    return 0


def _document(made: Model) -> dict[str, object]:
    from hefu_policies.reading import write_decimal

    return {
        "digest": made.digest(),
        "features": [each.name for each in made.features],
        "answer": made.answer,
        "step": write_decimal(made.step),
        "suite": made.suite.name,
        "tolerance": write_decimal(made.tolerance),
    }


def _step(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Malformed("contract.value", where="--step", expected="a decimal such as 0.01") from None


def _read(path: Path) -> str:
    from hefu_connector.workbench.coefficients import LARGEST_TABLE

    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise Malformed("command.file", path=str(path), why=f"more than {LARGEST_TABLE} bytes")
        return path.read_text("utf-8")
    except OSError as fault:
        raise Malformed("command.file", path=str(path), why=fault.strerror or "not readable") from None
    except UnicodeDecodeError:
        raise Malformed("command.file", path=str(path), why="not UTF-8") from None
