"""The questions as commands, made from their table; reports, and all of them in one table."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hefu import canonical
from hefu.checking import verify
from hefu.errors import Malformed
from hefu.space import SpaceFile
from hefu.statements.receipt import SEALED
from hefu.terminal.commands import Cell, Output, common
from hefu.times import SystemClock, read_time

from hefu_audit import report
from hefu_audit.commands.words import Commands, directory, sub
from hefu_audit.home import Home
from hefu_audit.index import Index
from hefu_audit.questions.answer import Asked, Given, Parameter, Question, ask
from hefu_audit.questions.table import QUESTIONS, find

_EXITS = "Exit code: 0 it holds or is answered, 1 something was found, 2 the question is malformed."


def add(group: Commands) -> None:
    """One command a question, ``all`` and ``report verify``."""
    for question in QUESTIONS:
        if question.answer is not None:
            _add_question(group, question)
    one = common(
        sub(group, "all", "answer every question in one table; those that need a name, of what was released last"), _all
    )
    one.epilog = _EXITS
    _add_report(one)
    text = "verify a signed report"
    reports = group.add_parser("report", help=text, description=text).add_subparsers(metavar="COMMAND", required=True)
    title = "verify a report: its auditor's signature and certification, its checkpoint, its answer"
    one = common(sub(reports, "verify", title), _verify)
    one.add_argument("file", type=Path, metavar="FILE", help="a report, .json or .html")
    one.add_argument("--space", type=Path, metavar="FILE", help="a space file, got another way: pins root and log")


def _add_question(group: Commands, question: Question) -> None:
    one = common(sub(group, question.name, question.asks), _ask)
    one.set_defaults(question=question.name)
    one.epilog = _EXITS
    for each in question.parameters:
        words: dict[str, Any] = {"help": each.help}
        if each.kind == "flag":
            words["action"] = "store_true"
        else:
            words["metavar"] = each.kind.upper()
            words["type"] = {"number": int, "file": Path}.get(each.kind, str)
            if each.many:
                words |= {"action": "append", "default": []}
        if each.name.startswith("-"):
            words["dest"] = each.key
        one.add_argument(each.name, **words)
    _add_report(one)


def _add_report(parser: argparse.ArgumentParser) -> None:
    text = "also write a signed report: a folder, or a file ending in .json or .html"
    parser.add_argument("--report", type=Path, metavar="PLACE", help=text)


def _ask(arguments: argparse.Namespace) -> int:
    output, home = Output.of(arguments), Home(directory(arguments))
    question = find(arguments.question)
    with opened(home) as index:
        asked = ask(question, index, given(question, vars(arguments)))
        if arguments.report is not None:
            _write(arguments.report, asked, index, home, output)
    show(asked, output)
    return 0 if asked.holds else 1


def _all(arguments: argparse.Namespace) -> int:
    output, home = Output.of(arguments), Home(directory(arguments))
    answers = []
    with opened(home) as index:
        for question in QUESTIONS:
            words = subjects(index, question)
            if question.answer is not None and words is not None:
                answers.append(ask(question, index, given(question, words)))
                if arguments.report is not None:
                    _write(arguments.report, answers[-1], index, home, output)
    output.data({"holds": all(each.holds for each in answers), "answers": [each.document() for each in answers]})
    zh = output.language == "zh"
    rows = [(each.question.name, _verdict(each, zh=zh), each.answer.sentence[zh]) for each in answers]
    output.table(("question", "", "answer"), rows)
    return 0 if all(each.holds for each in answers) else 1


def _verify(arguments: argparse.Namespace) -> int:
    output = Output.of(arguments)
    space = SpaceFile.read(arguments.space) if arguments.space else Home(directory(arguments)).space()
    try:
        with arguments.file.open("rb") as file:
            data = file.read(report.LARGEST)
    except OSError:
        raise Malformed("bundle.malformed", where=str(arguments.file)[:100], why="no such file") from None
    found = report.check(data, space)
    output.data({"verified": True, "auditor": found.auditor, "time": found.time, "answer": found.answer})
    name = verify.plain(str(found.answer["question"]))
    output.say(
        f"Verified: {found.auditor} reported at {found.time} on the question {name}.",
        f"验证通过：{found.auditor} 于 {found.time} 就问题 {name} 出具报告。",
    )
    return 0


def opened(home: Home) -> Index:
    """The auditor's verified copy.

    Raises:
        Malformed: there is no auditor, or nothing was fetched yet.
    """
    if not home.space_file.exists():
        raise Malformed("audit.absent", directory=str(home.directory))
    index = Index(home.directory, home.space())
    if index.head is None:
        raise Malformed("audit.not_fetched")
    return index


def given(question: Question, words: Mapping[str, Any]) -> Given:
    """What was given to a question, read by its table.

    Raises:
        Malformed: a time is none.
    """
    return {each.key: _value(each, words.get(each.key)) for each in question.parameters}


def subjects(index: Index, question: Question) -> Mapping[str, Any] | None:
    """The names that a question needs, of what was released last; None where nothing was."""
    if question.name == "absent":  # an example of what is not there
        return {"event": canonical.digest(b"what nobody ever said")}
    last = index.rows(
        "SELECT e.computation, e.provider, e.consumer, e.product, e.description, c.agreement, c.resource FROM ended e"
        " JOIN charge c ON c.idx = e.idx WHERE e.type = ? ORDER BY e.idx DESC LIMIT 1",
        SEALED,
    )
    wanted = {each.key for each in question.parameters if not each.name.startswith("-")}
    if not wanted and question.name != "usage":
        return {}
    if not last:
        return None
    computation, provider, consumer, product, version, agreement, asset = last[0]
    known = {
        "computation": computation, "one": provider, "other": consumer, "organisation": provider, "product": product,
        "version": version, "agreement": agreement, "asset": asset,
        "policy": index.one("SELECT digest FROM policy WHERE agreement = ?", agreement),
    }  # fmt: skip
    return {"product": product} if question.name == "usage" else {name: known.get(name) for name in wanted}


def _value(parameter: Parameter, value: Any) -> Any:
    if value is None:
        return () if parameter.many else parameter.default
    if parameter.kind == "time":
        return _time(str(value))
    return tuple(value) if parameter.many else value


def _time(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return read_time(text)


def show(asked: Asked, output: Output) -> None:
    """Print an answer: rows, findings, what could not be checked, the sentence last."""
    output.data(asked.document())
    zh, answer = output.language == "zh", asked.answer
    rows = [tuple(verify.plain(cell) if isinstance(cell, str) else cell for cell in row) for row in answer.rows]
    if rows:
        output.table(answer.headings, rows)
    if answer.of > len(rows):
        output.say(f"… {len(rows)} of {answer.of}", f"……显示 {len(rows)}，共 {answer.of}")
    for each in answer.findings:
        output.say(f"FOUND {verify.plain(each[0])}", f"发现 {verify.plain(each[1])}")
    for en, text in asked.limits:
        output.say(f"note {en}", f"注意 {text}")
    size, root = asked.checkpoint["size"], str(asked.checkpoint["root"])[:16]
    output.say(
        f"{answer.sentence[0]} [{_verdict(asked, zh=False)}; checkpoint {size} {root}…]",
        f"{answer.sentence[1]}［{_verdict(asked, zh=zh)}；检查点 {size} {root}…］",
    )


def _verdict(asked: Asked, *, zh: bool) -> Cell:
    if asked.holds:
        return "无异常" if zh else "holds"
    count = len(asked.answer.findings)
    return f"发现 {count} 项" if zh else f"{count} found"


def _write(place: Path, asked: Asked, index: Index, home: Home, output: Output) -> None:
    made = report.make(asked, index, home.ring(), SystemClock())
    for path in report.write(place, asked.question.name, made, output.language):
        output.say(f"→ {path}")
