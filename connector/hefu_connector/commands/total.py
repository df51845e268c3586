"""``hefu compute total``: one total over several providers' data, and what it comes to with factors of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hefu.terminal.commands import Output

from hefu_connector.commands import several
from hefu_connector.commands.link import control
from hefu_connector.commands.show import headings
from hefu_connector.workbench import questions, tables

if TYPE_CHECKING:
    from hefu.v1 import control_pb2

    from hefu_connector.workbench.answer import Answer
    from hefu_connector.workbench.totals import Weighed

_STAGES = {
    "KEYS": ("making a key for this run", "正在生成本次运行的密钥"),
    "ASKING": ("asking provider {done} of {parties}", "正在请求第 {done}/{parties} 家提供方"),
    "JOINING": ("provider {done} of {parties} joins", "第 {done}/{parties} 家提供方加入"),
    "COMPUTING": ("waiting for provider {done} of {parties}", "等待第 {done}/{parties} 家提供方"),
    "ADDING": ("the last provider adds up what it cannot read", "最后一家提供方对不可读的密文求和"),
    "OPENING": ("opening the total", "正在解密合计"),
}


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "query", help='SQL of counts and sums, such as "SELECT class, SUM(kwh) AS kwh FROM data GROUP BY class"'
    )
    parser.add_argument(
        "--contract", action="append", required=True, help="the agreement with one provider; give three or more"
    )
    parser.add_argument("--epsilon", help="privacy loss to spend at each provider, such as 0.5")
    parser.add_argument("--delta", default="0", help="δ to spend beside it, such as 1e-6 (default: 0)")
    parser.add_argument("--rho", help="ρ to spend instead of ε, where the contracts count in ρ, such as 0.01")
    parser.add_argument("--aggregator", default="", help="the provider that adds up (default: the first by name)")
    parser.add_argument(
        "--honest", type=int, default=0,
        help="of how many providers the noise alone is enough (default: the least that is more than half)",
    )  # fmt: skip
    parser.add_argument(
        "--factors", type=Path, metavar="FILE.csv",
        help="a factor for each group, such as emissions a unit: multiplied here, and added up",
    )  # fmt: skip
    parser.add_argument("--purpose", default="", help="what for (default: the first contract's purpose)")


def run(arguments: argparse.Namespace) -> int:
    """Ask, and print the total."""
    from hefu_connector.workbench import totals

    output = Output.of(arguments)
    factors = totals.read_factors(arguments.factors) if arguments.factors else None
    offered = questions.offered(arguments.epsilon or "", arguments.delta, arguments.rho or "")
    wish = totals.Wish(arguments.contract, arguments.aggregator, arguments.honest, arguments.purpose)
    with control(arguments) as stub:
        answer = totals.ask(stub, wish, arguments.query, offered, lambda step: _tell(output, step))
    found = totals.weighed(answer, factors) if factors is not None else None
    output.data({
        "total": several.document(answer),
        "weighed": _document(found) if found is not None else None,
        "computations": [
            {"computation": each.computation, "provider": each.provider, "agreement": each.agreement,
             "receipt": each.receipt}
            for each in answer.sources
        ],
    })  # fmt: skip
    _page(output, answer, found)
    return 0


def _tell(output: Output, step: control_pb2.TotalStep) -> None:
    from hefu.v1 import control_pb2

    name = control_pb2.TotalStep.Stage.Name(step.stage).removeprefix("STAGE_")
    if name in _STAGES:
        done = min(step.done + 1, step.parties)
        output.progress(*(each.format(done=done, parties=step.parties) for each in _STAGES[name]))


def _document(found: Weighed) -> dict[str, object]:
    return {
        "rows": [
            {"group": key, "value": str(value), "factor": str(factor), "product": str(product), "half_width": str(off)}
            for key, value, factor, product, off in found.rows
        ],
        "total": str(found.total),
        "half_width": str(found.half_width),
    }


def _page(output: Output, answer: Answer, found: Weighed | None) -> None:
    several.table(output, answer)
    output.say(
        "± is the half width of a 95 % interval: the noise of all providers together. Nobody saw one provider's part.",
        "± 为 95 % 区间的半宽，含全部提供方的噪声。任何人均未看到单个提供方的部分。",
    )
    if found is not None:
        heads = headings(
            output, (found.heading, found.heading), ("value", "数值"), ("factor", "系数"), ("product", "乘积")
        )
        rows = [
            [key, str(value), str(factor), f"{product} ± {tables.interval(str(off))}"]
            for key, value, factor, product, off in found.rows
        ]
        output.table(heads, rows)
        off = tables.interval(str(found.half_width))
        output.say(f"With your factors: {found.total} ± {off}", f"按您的系数：{found.total} ± {off}")
    several.costs(output, answer)
