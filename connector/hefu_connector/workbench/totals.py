"""One total over several providers, of which nobody sees a part; and what it comes to with factors of one's own."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Context, Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from hefu.errors import Malformed, Unavailable

from hefu_connector.workbench import link, questions
from hefu_connector.workbench.answer import Answer, sealed, values, widths
from hefu_connector.workbench.frames import Noise

if TYPE_CHECKING:
    from hefu.v1 import control_pb2
    from hefu.v1.control_pb2_grpc import ControlServiceStub

_EXACT = Context(prec=60)
_LONGEST = 3600.0  # seconds
Tell = Callable[["control_pb2.TotalStep"], object]


@dataclass(frozen=True, slots=True)
class Wish:
    """Of whom a total is asked, and how.

    Attributes:
        contracts: one of each provider.
        aggregator: the provider that adds up; empty for the first.
        honest: of how many providers the noise alone is enough; 0 for the least that is more than half.
        purpose: an IRI; empty for the first contract's.
    """

    contracts: Sequence[str]
    aggregator: str = ""
    honest: int = 0
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Weighed:
    """A total with each group's number multiplied by a factor of whoever asked: post-processing, which costs nothing.

    Attributes:
        rows: of each group its key, number, factor, product, and half of the product's 95 % interval.
        total: of all groups, and `half_width` of its interval: the groups' noises are independent.
    """

    heading: str
    rows: tuple[tuple[str, Decimal, Decimal, Decimal, Decimal], ...]
    total: Decimal
    half_width: Decimal


def ask(stub: ControlServiceStub, wish: Wish, sql: str, offered: questions.Offered, tell: Tell) -> Answer:
    """Have a total made.

    Args:
        tell: is told each step.

    Raises:
        Malformed: it is no query of counts and sums, or there are too few contracts.
        Refused: a provider refused, or the providers would understand the question differently.
        Conflict, Unavailable: it failed; what was charged stays charged.
    """
    from hefu import canonical
    from hefu.v1 import control_pb2
    from hefu.wire import transport

    if not wish.contracts:
        raise Malformed("total.parties", least=3)
    held = [questions.contract(stub, each) for each in wish.contracts]
    plan = questions.plan(sql, questions.described(held[0]), *offered)
    request = control_pb2.ComputeTotalRequest(
        plan=canonical.encode(plan.body()), agreements=[each.agreement_name for each in held],
        aggregator=wish.aggregator, honest=wish.honest, purpose=wish.purpose,
    )  # fmt: skip
    for told in transport.stream(stub.ComputeTotal, request, peer=link.PEER, timeout=_LONGEST):
        if told.HasField("total"):
            return _answer(told.total)
        tell(told.step)
    raise Unavailable("peer.unreachable", peer=link.PEER)


def weighed(answer: Answer, factors: Mapping[str, Decimal]) -> Weighed:
    """Each group's number times its factor, and the sum.

    Raises:
        Malformed: the answer has not one key and one number, or a group has no factor.
    """
    if answer.keys != 1 or len(answer.headings) != 2:
        raise Malformed("question.differ", word="the factors", why="ask for one number by one key")
    rows, squares = [], Decimal(0)
    for (key, value), (_, width) in zip(answer.rows, answer.half_widths, strict=True):
        if key is None or key not in factors:
            raise Malformed("question.differ", word="the factors", why=f"there is none for {answer.headings[0]} {key}")
        factor, number = factors[key], Decimal(value or 0)
        off = abs(_EXACT.multiply(factor, Decimal(width or 0)))
        rows.append((key, number, factor, _EXACT.multiply(factor, number), off))
        squares += _EXACT.multiply(off, off)
    total = sum((each[3] for each in rows), Decimal(0))
    return Weighed(answer.headings[0], tuple(rows), total, _up(_EXACT.sqrt(squares)))


def read_factors(path: Path) -> dict[str, Decimal]:
    """Factors from a CSV of two columns, a group and its factor; a first line that is no number is a heading.

    Raises:
        Malformed: it cannot be read, or a line is not of that form.
    """
    try:
        lines = [*csv.reader(path.read_text("utf-8-sig").splitlines())]
    except (OSError, UnicodeDecodeError):
        raise Malformed("command.file", path=str(path), why="not readable") from None
    found: dict[str, Decimal] = {}
    for line, cells in enumerate(lines, 1):
        try:
            key, factor = cells
            number = Decimal(factor)
        except (ValueError, InvalidOperation):
            if line == 1:
                continue
            raise Malformed("total.factor", line=line, path=str(path)) from None
        if key in found or not number.is_finite():
            raise Malformed("total.factor", line=line, path=str(path))
        found[key] = number
    return found


def _answer(total: control_pb2.JointTotal) -> Answer:
    told = total.answer
    return Answer(
        headings=tuple(told.headings),
        rows=tuple(map(values, told.rows)),
        half_widths=tuple(map(widths, told.rows)),
        keys=total.keys,
        noise=tuple(Noise(each.column, each.mechanism, each.scale, each.half_width) for each in told.mechanisms),
        sources=tuple(map(sealed, total.computations)),
    )


def _up(number: Decimal) -> Decimal:
    """To six digits behind the point, never narrower."""
    return number.quantize(Decimal("0.000001"), ROUND_UP)
