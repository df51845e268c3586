"""What a question is, what an answer is, and what every answer says it could not check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any

from hefu.canonical import Json, Object
from hefu.members import listed
from hefu.terminal.commands import Cell
from hefu.terminal.helps import HELPS
from hefu.times import write_time

from hefu_audit import following
from hefu_audit.index import Index

Pair = tuple[str, str]  # English, Chinese
Given = Mapping[str, Any]
MOST_ROWS = 1000
_LARGEST = 2**53
_NANO = Decimal("1e-9")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question came to.

    Attributes:
        sentence: the answer in one sentence.
        findings: what is not as it should be; where there is any, the exit code is 1.
        entries: numbers of the entries that it rests on, the first of many.
        policies: digests of the policies that it speaks of.
        limits: what this question could not tell, besides what no question can (`Asked.limits`).
        rows: at most `MOST_ROWS`; ``of`` is how many there are.
    """

    sentence: Pair
    findings: tuple[Pair, ...] = ()
    headings: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    of: int = 0
    entries: tuple[int, ...] = ()
    policies: tuple[str, ...] = ()
    limits: tuple[Pair, ...] = ()
    further: Object = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parameter:
    """What may be given to a question: positional where it has no dashes.

    Attributes:
        kind: ``text``, ``time``, ``number``, ``file`` or ``flag``.
    """

    name: str
    help: str
    kind: str = "text"
    default: Any = None
    many: bool = False

    @property
    def key(self) -> str:
        """Its name among what was given."""
        return self.name.lstrip("-").replace("-", "_")


@dataclass(frozen=True, slots=True)
class Question:
    """One question: the word below ``hefu audit``, what it asks, what answers it, and its number in the reference."""

    name: str
    number: str
    asks: str
    answer: Callable[[Index, Given], Answer] | None  # None: it is answered from a bundle, by a command of its own
    parameters: tuple[Parameter, ...] = ()

    @property
    def asks_zh(self) -> str:
        """The question in Chinese, from the table of helps."""
        return HELPS[self.asks]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its answer, and what both rest on: everything that a report says."""

    question: Question
    given: Given
    answer: Answer
    checkpoint: Object
    limits: tuple[Pair, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.answer.findings

    def document(self) -> Object:
        """The answer for machines."""
        answer = self.answer
        return {
            "question": self.question.name,
            "asks": {"en": self.question.asks, "zh": self.question.asks_zh},
            "parameters": {key: _plain(value) for key, value in self.given.items() if value not in (None, False, ())},
            "holds": self.holds,
            "sentence": _pair(answer.sentence),
            "findings": listed(map(_pair, answer.findings)),
            "headings": [*answer.headings],
            "rows": [[_plain(cell) for cell in row] for row in answer.rows],
            "of": answer.of or len(answer.rows),
            "entries": [*answer.entries],
            "policies": [*answer.policies],
            "checkpoint": self.checkpoint,
            "tool": f"hefu {version('hefu')}",
            "limits": listed(map(_pair, self.limits)),
            **({"further": answer.further} if answer.further else {}),
        }


def ask(question: Question, index: Index, given: Given) -> Asked:
    """Answer a question from a verified copy.

    Raises:
        NotFound: what it asks about is not in the log.
    """
    if question.answer is None:
        raise ValueError("this question is answered from a bundle")
    answer = question.answer(index, given)
    witnessed, _ = following.quorum(index)
    return Asked(question, given, answer, cited(index), (*answer.limits, *common(index, witnessed)))


def cited(index: Index) -> Object:
    """The checkpoint that an answer rests on."""
    head = index.head
    if head is None:
        return {}
    note, at = head
    fetched = index.one("SELECT at FROM head ORDER BY size DESC LIMIT 1")
    return {"origin": at.origin, "size": at.size, "root": at.root.hex(), "note": note, "fetched": following.at(fetched)}


def common(index: Index, witnessed: str) -> tuple[Pair, ...]:
    """What no question over this copy can tell."""
    found: list[Pair] = []
    if index.hidden:
        found.append((
            f"{index.hidden} entries are hidden from this auditor: what they say is not in the answer.",
            f"有 {index.hidden} 个条目对本审计方隐藏：其内容不在答复之内。",
        ))  # fmt: skip
    if witnessed == "none":
        found.append((
            "The space has no witness policy: the log alone vouches for its checkpoint.",
            "本空间没有见证策略：检查点仅由日志自身担保。",
        ))  # fmt: skip
    elif witnessed != "met":
        found.append((
            f"The checkpoint has not the quorum of the space's witness policy ({witnessed}).",
            f"检查点未达到空间见证策略的法定数（{witnessed}）。",
        ))  # fmt: skip
    faults = index.one("SELECT COUNT(*) FROM fault")
    if faults:
        found.append((
            f"{faults} faults were found while the copy was verified; hefu audit whole names them.",
            f"验证副本时发现 {faults} 处问题；可用 hefu audit whole 查看。",
        ))  # fmt: skip
    found.append((
        "Times are what signers claim. No outside time stamp on the checkpoint was checked.",
        "时间为签名方所称；未核对检查点上的外部时间戳。",
    ))  # fmt: skip
    found.append((
        "What was never handed to the log cannot be seen in it; and what was logged after this checkpoint "
        "is not in it.",
        "从未交给日志的内容在其中不可见；此检查点之后的条目亦不在其中。",
    ))  # fmt: skip
    return tuple(found)


def seconds(given: Given, name: str, otherwise: int) -> int:
    """A time that was given, in seconds since 1970."""
    value = given.get(name)
    return int(value.timestamp()) if isinstance(value, datetime) else otherwise


def period(given: Given) -> tuple[int, int]:
    """The period ``--from`` ``--to``; without them all times."""
    return seconds(given, "from", 0), seconds(given, "to", _LARGEST)


def epsilon(epsilon_nano: int, rho_nano: int = 0) -> str:
    """An ε, or a ρ with its letter, as a decimal without zeros at the end."""
    letter, value = ("ρ ", rho_nano) if rho_nano else ("", epsilon_nano)
    return letter + format((value * _NANO).normalize(), "f")


def first_of(numbers: Iterable[int], most: int = 100) -> tuple[int, ...]:
    """Entries to cite: the first of them."""
    return tuple(sorted({*numbers})[:most])


def _pair(pair: Pair) -> Object:
    return {"en": pair[0], "zh": pair[1]}


def _plain(value: object) -> Json:
    if isinstance(value, datetime):
        return write_time(value.astimezone(UTC))
    if isinstance(value, bool | None):
        return value
    if isinstance(value, int):
        return value if abs(value) < _LARGEST else str(value)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value)
