"""``hefu compute score``: have records scored by a model whose provider does not see them."""

from __future__ import annotations

import argparse
import csv
import sys
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hefu.errors import Malformed
from hefu.terminal.commands import Output

from hefu_connector.commands.link import Commands, command, control
from hefu_connector.commands.show import headings, word
from hefu_connector.workbench import questions, tables

if TYPE_CHECKING:
    from hefu_connector.workbench.scores import Question, Scores, Tally

_WIDE = 30  # letters of the bar
_SHOWN = 10
_STAGES = {1: ("encrypting", "加密中"), 2: ("waiting", "等待中"), 3: ("decrypting", "解密中")}


def add(group: Commands) -> None:
    """Add the subcommand."""
    one = command(
        group, "score", "have records scored by a model; they are encrypted, and its provider sees none of them", _score
    )
    one.add_argument("model", help="the product that is a model, such as prd-…")
    one.add_argument("records", type=Path, metavar="RECORDS.csv", help="a CSV file with a column for each feature")
    one.add_argument("--contract", required=True, help="the agreement, such as agr-…")
    one.add_argument("--purpose", default="", help="what for (default: the contract's purpose)")
    one.add_argument(
        "--each",
        type=int,
        default=0,
        metavar="N",
        help="records of one request, at most, in whole blocks (default: as many as fit)",
    )
    one.add_argument("--output", "-o", type=Path, metavar="FILE", help="a new CSV file: other columns, and the score")


def _score(arguments: argparse.Namespace) -> int:
    from hefu_connector.workbench import scores

    output, path = Output.of(arguments), arguments.output
    if path is not None and path.exists():
        raise Malformed("command.exists", path=str(path))
    with control(arguments) as stub:
        contract = questions.contract(stub, arguments.contract)
        description = questions.described(contract, arguments.model)
        question = scores.prepare(contract, description, arguments.records, arguments.purpose, arguments.each)
        tally, steps, bar = scores.Tally(), array("q"), _Bar(output, question.count)
        for some in scores.ask(stub, question, tally):
            steps.extend(some)
            bar.show(tally)
        bar.end()
    found = scores.scores(question, tally, steps)
    if path is not None:
        _write(path, question, found)
    _tell(output, found, path)
    return 0


class _Bar:
    """How far it is: one line on a terminal, else one line for each request."""

    def __init__(self, output: Output, count: int) -> None:
        self._output, self._count = output, count
        self._moves = sys.stderr.isatty() and not output.as_json
        self._last = ""
        self._begun = False

    def show(self, tally: Tally) -> None:
        """Tell what is known now, if it is new; first of all what it costs."""
        if tally.begun is not None and not self._begun:
            self._begun = True
            cost = tally.begun.charge
            self._output.progress(
                f"{self._count:,} records; at most {cost:,} releases: each block that is begun counts whole",
                f"{self._count:,} 条记录；至多扣减 {cost:,} 次发布：不足一块亦按整块计",
            )
        full = _WIDE * tally.done // self._count
        stage = word(self._output, *_STAGES.get(tally.stage, ("", "")))
        if tally.done == self._count or not self._moves:
            stage = ""
        line = f"{'█' * full}{'·' * (_WIDE - full)} {tally.done:,} / {self._count:,} {stage}"
        if line != self._last and (self._moves or tally.done):
            if self._moves:
                print(f"\r{line:<{_WIDE + 60}}", end="", file=sys.stderr, flush=True)  # noqa: T201
            else:
                self._output.progress(line)
        self._last = line

    def end(self) -> None:
        """Leave the line."""
        if self._moves and self._last:
            print(file=sys.stderr, flush=True)  # noqa: T201


def _write(path: Path, question: Question, found: Scores) -> None:
    """The scores beside the columns that were no features; whole, or not there."""
    from hefu_connector.workbench.scores import created

    with ExitStack() as undo:
        file = created(path)
        undo.callback(_remove, path)
        with file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["record", *question.records.others, "score"])
            rows.writerows(_rows(question, found))
        undo.pop_all()


def _rows(question: Question, found: Scores) -> Iterator[Sequence[Any]]:
    at = 0
    for piece in question.records.pieces():
        for others in piece.others:
            if at == len(found):  # the file has grown meanwhile
                raise Malformed("command.file", path=str(question.records), why="it was changed meanwhile")
            yield [at + 1, *others, tables.number(found.steps[at] * found.step)]
            at += 1


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _tell(output: Output, found: Scores, path: Path | None) -> None:
    output.data(_document(found, path))
    heads = headings(output, ("record", "记录"), ("score", "评分"))
    shown = [] if path is not None else [*enumerate(found.values[:_SHOWN], 1)]
    if shown:
        output.table(heads, [(at, tables.number(each)) for at, each in shown])
    if len(shown) < len(found) and path is None:
        output.say("… and so on. All of them: --output FILE", "……全部结果请用 --output FILE")
    within = tables.number(found.tolerance)
    output.say(
        f"\n{len(found)} records scored by {found.provider} without seeing them, each within {within} of the plain "
        f"model's score; {found.charged} releases charged now.",
        f"\n{found.provider} 在看不到记录的情况下完成 {len(found)} 条评分，与明文模型之差不超过 {within}；"
        f"本次扣减 {found.charged} 次发布。",
    )
    if found.answer == "ranking":
        output.say("They tell the order of these records, and no score.", "结果仅表示这些记录的先后次序，并非评分。")
    if path is not None:
        output.say(f"Written to {path}.", f"已写入 {path}。")


def _document(found: Scores, path: Path | None) -> dict[str, object]:
    document: dict[str, object] = {
        "product": found.product,
        "provider": found.provider,
        "contract": found.agreement,
        "answer": found.answer,
        "step": tables.number(found.step),
        "tolerance": tables.number(found.tolerance),
        "records": len(found),
        "charged": found.charged,
        "computations": [*found.computations],
    }
    if path is not None:
        return {**document, "path": str(path)}
    return {**document, "scores": [tables.number(each) for each in found.values]}
