"""``hefu compute sample``, and ``hefu compute query --try``: synthetic rows, and questions tried on them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hefu.errors import Malformed
from hefu.terminal.commands import Output

from hefu_connector.commands import several
from hefu_connector.commands.link import control, directory
from hefu_connector.workbench import questions

if TYPE_CHECKING:
    from hefu_connector.workbench.sample import Sample
    from hefu_connector.workbench.sampling import Wish


def add(one: argparse.ArgumentParser) -> None:
    """Add the options of ``hefu compute sample``."""
    one.add_argument("product", help="the data product, such as prd-…")
    one.add_argument(
        "--output", "-o", type=Path, required=True, metavar="FILE",
        help="a new file for the rows: .parquet or .arrow, on which queries can be tried, or .csv",
    )  # fmt: skip
    one.add_argument("--rows", type=int, default=1000, help="how many rows to draw (default: 1000)")
    one.add_argument("--epsilon", help="privacy loss to spend, such as 1")
    one.add_argument("--delta", default="0", help="δ to spend (default: 0)")
    one.add_argument("--rho", help="ρ to spend instead of ε, where the contract counts in ρ, such as 0.01")
    one.add_argument("--pair", action="append", metavar="A,B",
                     help="two columns that are counted together; may be given several times (default: the pairs of "
                     "fewest groups that join all columns)")  # fmt: skip
    one.add_argument("--column", action="append", default=[], help="a column to count (default: all that can be)")
    one.add_argument(
        "--bins",
        type=int,
        help="into how many bins a number's range is cut (default: 10, or fewer where columns are many)",
    )
    one.add_argument("--contract", default="", help="the agreement, such as agr-… (default: the only one in force)")
    one.add_argument("--purpose", default="", help="what for (default: the contract's purpose)")
    one.add_argument("--computation", default="", metavar="ID",
                     help="draw from what this computation released before, and ask nothing")  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Have a sample, and write it."""
    from hefu_connector.workbench.sample import FORMS

    output, place = Output.of(arguments), arguments.output
    if place.suffix.lstrip(".").lower() not in FORMS:
        raise Malformed("question.form", form=place.suffix[:20], forms=", ".join(FORMS))
    if place.exists():
        raise Malformed("command.exists", path=str(place))
    found = _drawn(output, arguments)
    found.write(place)
    output.data(_document(found, place))
    output.table([*found.kinds], [[cell or "" for cell in row] for row in found.shown()])
    for note in found.notes(output.language):
        output.say(note)
    output.say(
        f'Wrote {place}. Next: hefu compute query --try {place} --epsilon 0.5 "SELECT …"',
        f'已写入 {place}。下一步：hefu compute query --try {place} --epsilon 0.5 "SELECT …"',
    )
    return 0


def attempt(arguments: argparse.Namespace) -> int:
    """Try a query on a sample: nothing is asked of anybody."""
    from hefu_connector.workbench import trying
    from hefu_connector.workbench.sample import Sample

    for flag, given in (
        ("--exact", arguments.exact), ("--file", arguments.file), ("--no-wait", arguments.no_wait),
        ("--purpose", arguments.purpose), ("--target-error", arguments.target_error),
    ):  # fmt: skip
        if given:
            raise Malformed("sample.option", flag=flag)
    if bool(arguments.epsilon) == bool(arguments.rho):
        raise Malformed("command.epsilon")
    sample = Sample.read(arguments.tried)
    with control(arguments) as stub:
        envelope = questions.product(stub, sample.product).description.envelope
    description = questions.description(envelope)
    plan = questions.plan(arguments.query, description, arguments.epsilon or "", arguments.delta, arguments.rho or "")
    output = Output.of(arguments)
    answer = trying.attempt(plan, description, sample)
    output.data({"synthetic": True, **several.document(answer)})
    several.table(output, answer)
    output.say(
        "SYNTHETIC: of a synthetic sample, and of no data; nothing was asked or charged. The real answer has this "
        "shape, and noise like this.",
        "合成结果：来自合成样本，不涉及任何真实数据；未提问，也未扣减。真实结果具有相同的形状和类似的噪声。",
    )
    return 0


def _drawn(output: Output, arguments: argparse.Namespace) -> Sample:
    from hefu_connector.workbench import sampling
    from hefu_connector.workbench.space import connect

    wish = _wish(arguments)
    if not arguments.computation:
        chosen = arguments.contract or connect(directory(arguments)).product(arguments.product).only_contract().id
    with control(arguments) as stub:
        if arguments.computation:
            envelope = questions.product(stub, arguments.product).description.envelope
            return sampling.again(questions.seen(stub, arguments.computation), questions.description(envelope), wish)
        if bool(arguments.epsilon) == bool(arguments.rho):
            raise Malformed("command.epsilon")
        contract = questions.contract(stub, chosen)
        description = questions.described(contract, arguments.product)
        offered = arguments.epsilon or "", arguments.delta, arguments.rho or ""
        output.progress(
            "Asking for the counts, then drawing rows; that takes some time.", "正在请求计数并生成行，需要一些时间。"
        )
        return sampling.ask(stub, contract, description, wish, offered, arguments.purpose)


def _wish(arguments: argparse.Namespace) -> Wish:
    from hefu_connector.workbench.sampling import Wish

    pairs = None if arguments.pair is None else [_pair(each) for each in arguments.pair if each]
    return Wish(arguments.rows, pairs, tuple(arguments.column), arguments.bins)


def _pair(text: str) -> tuple[str, str]:
    one, comma, other = text.partition(",")
    if not comma:
        raise Malformed("sample.pair", pair=text[:130])
    return one.strip(), other.strip()


def _document(found: Sample, place: Path) -> dict[str, Any]:
    return {"synthetic": True, "file": str(place), "rows": len(found), **found.about()}
