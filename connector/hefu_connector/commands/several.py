"""``hefu compute query`` under several contracts: one question, several providers, one answer."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from hefu.errors import Malformed
from hefu.terminal.commands import Output

from hefu_connector.commands import answers
from hefu_connector.commands.link import control, short
from hefu_connector.workbench import questions, tables

if TYPE_CHECKING:
    from hefu_connector.workbench.answer import Answer


def query(arguments: argparse.Namespace) -> int:
    """Ask every provider, and print their answers combined."""
    from hefu_connector.workbench import combining
    from hefu_connector.workbench.answer import Answer

    output = Output.of(arguments)
    for flag, given in (
        ("--file", arguments.file),
        ("--no-wait", arguments.no_wait),
        ("--exact", arguments.exact),
        ("--product", arguments.product),
    ):
        if given:
            raise Malformed("question.differ", word=flag, why="it goes with one contract only")
    if bool(arguments.epsilon) == bool(arguments.rho):
        raise Malformed("command.epsilon")
    offered = arguments.epsilon or "", arguments.delta, arguments.rho or ""
    with control(arguments) as stub:
        held = [questions.contract(stub, each) for each in arguments.contract]
        asked = [combining.Asked(each, questions.described(each)) for each in held]
        several = combining.prepare(asked, arguments.query, offered)
        several.check(stub)
        made = several.send(stub, arguments.purpose)
        for each in made:
            name = short(each.computation.name)
            output.progress(f"{name}: sent to {each.provider}", f"{name}：已发送至 {each.provider}")
        ended = [[*questions.follow(stub, each.computation.name)][-1] for each in made]
    if not all(each.HasField("answer") for each in ended):
        return _incomplete(output, ended)
    combined = several.combine([Answer.of(each) for each in ended])
    output.data({"combined": document(combined), "computations": [answers.document(each) for each in ended]})
    _page(output, combined)
    return 0


def _incomplete(output: Output, ended: list[answers.Own]) -> int:
    """Nothing is combined where one of them did not answer; what the others answered is theirs to show."""
    output.data({"combined": None, "computations": [answers.document(each) for each in ended]})
    for each in ended:
        output.say(f"\n{each.provider}:", f"\n{each.provider}：")
        answers.page(output, each)
    return 1


def document(answer: Answer) -> dict[str, object]:
    """An answer for machines."""
    return {
        "headings": list(answer.headings),
        "rows": [list(row) for row in answer.rows],
        "half_widths": [list(row) for row in answer.half_widths],
        "mechanisms": [
            {"column": each.column, "half_width": each.half_width or None, "mechanism": each.mechanism,
             "scale": each.scale}
            for each in answer.noise
        ],
    }  # fmt: skip


def table(output: Output, answer: Answer) -> None:
    """Print an answer's table."""
    withheld = "（未给出）" if output.language == "zh" else tables.WITHHELD
    output.table(
        list(answer.headings), [[withheld if each is None else each for each in row] for row in answer.shown()]
    )


def _page(output: Output, answer: Answer) -> None:
    table(output, answer)
    output.say(
        "± is the half width of a 95 % interval; the noise of every provider is part of the answer.",
        "± 为 95 % 区间的半宽；各提供方的噪声均为结果的一部分。",
    )
    costs(output, answer)


def costs(output: Output, answer: Answer) -> None:
    """Print what each provider charged, and its receipt."""
    for each in answer.sources:
        spent = tables.loss(each.charge)
        output.say(
            f"{each.provider}: charged {spent}; computation {each.computation}, receipt {each.receipt}",
            f"{each.provider}：已扣 {spent}；计算 {each.computation}，回执 {each.receipt}",
        )
