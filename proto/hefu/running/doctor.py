"""``hefu doctor``: look at a tower's folder and at what it needs, and say what is wrong and what to do about it.

It changes nothing, and needs no server to run; where one runs, it looks at that too. Each tower brings its own
examination through the entry points ``hefu.doctors``; what all have in common is in `hefu.running.symptoms`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal

from hefu.errors import HefuError, Malformed, sentence
from hefu.terminal.commands import Group, Output, common

Level = Literal["ok", "note", "warning", "fault"]
_SIGNS = {"ok": "✓", "note": "·", "warning": "!", "fault": "✗"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: what was looked at, in a word.
        level: ``note`` is nothing to do, ``warning`` can become trouble, ``fault`` is trouble.
        code: of the sentence in `hefu.messages`; empty where all is well.
    """

    check: str
    level: Level = "ok"
    code: str = ""
    parameters: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, check: str, level: Level, code: str, /, **parameters: str | int) -> Finding:
        """A finding with its sentence's parameters."""
        return cls(check, level, code, tuple((name, str(value)) for name, value in parameters.items()))

    @classmethod
    def raised(cls, check: str, fault: HefuError, level: Level = "fault") -> Finding:
        """What an error says, as a finding."""
        return cls(check, level, fault.code, tuple(fault.parameters.items()))

    def text(self, language: Literal["en", "zh"]) -> str:
        """The sentence; empty where all is well."""
        return sentence(self.code, language, dict(self.parameters)) if self.code else ""


@dataclass(frozen=True, slots=True)
class Doctor:
    """One tower's examination.

    Attributes:
        sign: the file in a folder by which its tower is known.
        examine: yields findings, one after the other as they come.
    """

    sign: str
    examine: Callable[[Path], Iterable[Finding]]


def examine(folder: Path) -> Iterator[Finding]:
    """Everything that is found in a folder.

    Raises:
        Malformed: it is no tower's.
    """
    signs = []
    for point in entry_points(group="hefu.doctors"):
        try:
            doctor = point.load()
        except ImportError:  # an image holds one tower, and the other's doctor is not there
            continue
        if not isinstance(doctor, Doctor):
            raise TypeError(f"entry point {point.name} is not a doctor")
        if (folder / doctor.sign).exists():
            yield from doctor.examine(folder)
            return
        signs.append(doctor.sign)
    raise Malformed("doctor.nobody", path=str(folder), signs=", ".join(sorted(signs)))


def _run(arguments: argparse.Namespace) -> int:
    output, folder = Output.of(arguments), Path(arguments.dir).expanduser().absolute()
    findings = []
    for each in examine(folder):
        findings.append(each)
        if each.level != "ok" or arguments.all:
            output.say(f"{_SIGNS[each.level]} {each.check}: {each.text(output.language) or 'ok'}")
    counts = {level: sum(each.level == level for each in findings) for level in _SIGNS}
    output.data({
        "dir": str(folder),
        "healthy": not counts["fault"],
        "counts": counts,
        "findings": [
            {"check": each.check, "level": each.level, "code": each.code, "text": each.text(output.language)}
            for each in findings
        ],
    })  # fmt: skip
    output.say(
        f"{len(findings)} checks: {counts['fault']} faults, {counts['warning']} warnings.",
        f"共检查 {len(findings)} 项：{counts['fault']} 项故障，{counts['warning']} 项警告。",
    )
    return 1 if counts["fault"] else 0


def _add(parser: argparse.ArgumentParser) -> None:
    common(parser, _run)
    usual = os.environ.get("HEFU_DIR") or "."
    parser.add_argument("--dir", default=usual, help="a broker's or connector's folder (default: HEFU_DIR, then here)")
    parser.add_argument("--all", action="store_true", help="name what is well, too")


DOCTOR = Group("doctor", "examine a broker or connector: keys, clock, disk, certificate, ports, backlog", _add)
