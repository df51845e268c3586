"""What every command of `hefu` shares: groups, output for people and for machines, errors with a next step."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from hefu.errors import HefuError, Language

Cell = str | int | None
# Exit codes: 0 done, 1 refused or not verified, 2 wrong use, 3 cannot be reached now, 70 our own fault (sysexits.h).
EXITS = {"malformed": 2, "unavailable": 3, "defect": 70}


@dataclass(frozen=True, slots=True)
class Group:
    """A command group, found through the entry points ``hefu.commands``.

    Attributes:
        add: adds the group's subcommands to its parser; each sets ``run``, a function of the parsed arguments that
            returns the exit code.
    """

    name: str
    help: str
    add: Callable[[argparse.ArgumentParser], None]


@dataclass(frozen=True, slots=True)
class Output:
    """Where a command's answer goes: tables and sentences for people, or one JSON document for machines."""

    as_json: bool
    language: Language

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Output:
        """From the flags that `common` adds."""
        return cls(bool(getattr(arguments, "json", False)), language(getattr(arguments, "lang", None)))

    def say(self, en: str, zh: str = "") -> None:
        """A sentence for people; silent under ``--json``."""
        if not self.as_json:
            print(harmless(zh if zh and self.language == "zh" else en), flush=True)  # noqa: T201

    def data(self, document: object) -> None:
        """The answer for machines; silent without ``--json``."""
        if self.as_json:
            print(json.dumps(document, ensure_ascii=False, indent=2, default=str), flush=True)  # noqa: T201

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[Cell]], empty: str = "") -> None:
        """A table for people; ``empty`` says what to do where there is nothing to show."""
        if self.as_json:
            return
        if not rows and empty:
            self.say(empty)
            return
        for line in table(headings, [[_line(cell) for cell in row] for row in rows]):
            print(line, flush=True)  # noqa: T201

    def progress(self, en: str, zh: str = "") -> None:
        """A word on standard error that work goes on; never mixed into an answer."""
        print(zh if zh and self.language == "zh" else en, file=sys.stderr, flush=True)  # noqa: T201


def common(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    """Add ``--json`` and ``--lang`` to a subcommand and say what runs it."""
    parser.add_argument("--json", action="store_true", help="answer with one JSON document, for machines")
    parser.add_argument("--lang", choices=("en", "zh"), help="language of messages (default: HEFU_LANG, then LANG)")
    parser.set_defaults(run=run)
    return parser


def language(chosen: str | None = None) -> Language:
    """The language of messages: the flag, then HEFU_LANG, then LANG; English where none says Chinese."""
    word = chosen or os.environ.get("HEFU_LANG") or os.environ.get("LANG", "")
    return "zh" if word.lower().startswith("zh") else "en"


def explain(error: HefuError, output: Output) -> int:
    """Print an error to standard error (a JSON document under ``--json``); returns the exit code."""
    if output.as_json:
        document = {
            "error": error.code,
            "kind": error.kind,
            "message": error.public(output.language),
            "reasons": list(error.reasons),
            "parameters": dict(error.parameters),
        }
        print(json.dumps(document, ensure_ascii=False, indent=2), file=sys.stderr)  # noqa: T201
    else:
        print(harmless(f"{error.code}: {error.public(output.language)}"), file=sys.stderr)  # noqa: T201
        for reason in error.reasons:
            print(harmless(f"  - {reason}"), file=sys.stderr)  # noqa: T201
    return EXITS.get(error.kind, 1)


def table(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
    """Lines of a plain table; columns are as wide as their widest cell, Chinese letters counting two."""
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(headings, *texts, strict=True)]
    right = [bool(texts) and all(_is_number(row[index]) for row in texts) for index in range(len(headings))]
    yield "  ".join(_pad(text, wide, side) for text, wide, side in zip(headings, widths, right, strict=True)).rstrip()
    yield "  ".join("─" * wide for wide in widths)
    for row in texts:
        yield "  ".join(_pad(text, wide, side) for text, wide, side in zip(row, widths, right, strict=True)).rstrip()


def harmless(text: str) -> str:
    """A text in which no letter moves a terminal's cursor or turns the direction of reading: strangers write titles."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "?" for letter in text)


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


@contextmanager
def step(output: Output, en: str, zh: str = "") -> Iterator[None]:
    """Say what goes on, and how long it took when it is done."""
    started = time.monotonic()
    output.say(f"→ {en}", f"→ {zh}" if zh else "")
    yield
    output.say(f"  done in {time.monotonic() - started:.1f} s", f"  用时 {time.monotonic() - started:.1f} 秒")


def pick(texts: Mapping[str, str], wanted: Language) -> str:
    """One text of a language map: the wanted language, else whatever there is."""
    return texts.get(wanted) or next(iter(texts.values()), "")


def _is_number(text: str) -> bool:
    return not text or text.replace(",", "").replace("±", "").replace(".", "").replace(" ", "").lstrip("-+").isdigit()


def _line(cell: Cell) -> Cell:
    return harmless(cell).replace("\n", " ") if isinstance(cell, str) else cell


def _pad(text: str, wide: int, right: bool) -> str:
    space = " " * (wide - width(text))
    return space + text if right else text + space
