"""An answer as an analyst holds it: values on their grid, how far off each may be, the cost, the receipts.

It is made from what the connector unsealed and verified. Nothing here can bring a withheld cell back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hefu.errors import Conflict, Language, Refused, Unavailable, sentence
from hefu.messages import MESSAGES

from hefu_connector.workbench import frames, tables
from hefu_connector.workbench.frames import CONFIDENCE, Noise
from hefu_connector.workbench.link import short

if TYPE_CHECKING:
    from hefu.v1 import control_pb2
    from hefu_policies.budget import PrivacyLoss

Row = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Sealed:
    """Where an answer comes from: who computed it, under what, at which charge, by which receipt.

    Attributes:
        charge: what the provider counted, in ε and δ or in ρ.
        receipt: id of the signed statement; ``hefu compute show COMPUTATION --receipt FILE`` writes it out.
    """

    computation: str
    provider: str
    agreement: str
    product: str
    charge: PrivacyLoss
    receipt: str


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """A released answer. Each noised value is the truth plus noise; its 95 % interval is value ± half width.

    Attributes:
        headings: group keys first, then what was asked.
        rows: decimal texts; None where a cell is withheld or nothing can be told.
        half_widths: of the intervals, as rows; None for keys, and where there is none.
        keys: how many headings are group keys; a row has None under one that is not of its grouping set.
        noise: how each column was made private.
        sources: one a provider.
        parts: of a combined answer, the answer of each provider.
    """

    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    half_widths: tuple[Row, ...]
    keys: int
    noise: tuple[Noise, ...]
    sources: tuple[Sealed, ...]
    parts: tuple[Answer, ...] = field(default=())

    @classmethod
    def of(cls, found: control_pb2.OwnComputation) -> Answer:
        """The answer of a computation that is over.

        Raises:
            Refused: its provider refused it; the reasons name the clauses.
            Conflict: it failed or was cancelled, or it delivered rows.
            Unavailable: it is not over yet.
        """
        _check_released(found)
        asked = found.answer
        return cls(
            headings=tuple(asked.headings),
            rows=tuple(map(values, asked.rows)),
            half_widths=tuple(map(widths, asked.rows)),
            keys=keys_of(found),
            noise=tuple(Noise(each.column, each.mechanism, each.scale, each.half_width) for each in asked.mechanisms),
            sources=(sealed(found),),
        )

    @property
    def guaranteed(self) -> bool:
        """Whether it is differentially private; an exact aggregate is not: its ± is what rounding may have moved."""
        return frames.guaranteed(self)

    @property
    def synthetic(self) -> bool:
        """Whether it is of a synthetic sample, and so of no data (`Product.try_query`)."""
        return frames.synthetic(self)

    @property
    def withheld(self) -> int:
        """How many cells nothing is told of."""
        return sum(cell is None for row in self.rows for cell in row[self.keys :])

    def values(self, heading: str) -> tuple[Decimal | str | None, ...]:
        """One column: texts of a key, exact decimals of anything else; raises KeyError."""
        at = self._place(heading)
        text = at < self.keys or frames.is_label(self, heading)
        return tuple(_cell(row[at], key=text) for row in self.rows)

    def intervals(self, heading: str) -> tuple[tuple[Decimal, Decimal] | None, ...]:
        """The 95 % interval of each cell of a column; None where nothing is told."""
        at = self._place(heading)
        pairs = ((row[at], widths[at]) for row, widths in zip(self.rows, self.half_widths, strict=True))
        return tuple(frames.interval(value, width) for value, width in pairs)

    def consistent_with(self, total: Answer, counts: Sequence[str] = ()) -> tuple[Answer, Answer]:
        """This answer and one to the same question by fewer keys, made to agree; free, and marked in both.

        Args:
            counts: columns that are never negative.

        Raises:
            Malformed: the answers are not of one question.
        """
        from hefu_connector.workbench.consistency import consistent

        mine, whole = consistent(self, total, counts)
        return (
            replace(self, rows=mine.rows, half_widths=mine.half_widths, noise=mine.noise),
            replace(total, rows=whole.rows, half_widths=whole.half_widths, noise=whole.noise),
        )

    def to_arrow(self) -> Any:
        """A `pyarrow.Table`: values on their grid, interval columns, suppression marks, the rest in its metadata."""
        return frames.to_arrow(self)

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`; a value that is not told is missing, the metadata are its ``attrs``."""
        return frames.to_pandas(self)

    def to_polars(self) -> Any:
        """A `polars.DataFrame`."""
        return frames.to_polars(self)

    def write(self, path: str | os.PathLike[str], form: str = "") -> None:
        """Write a new file: ``arrow`` (IPC), ``parquet`` or ``csv``; by default what its name ends with.

        Raises:
            Malformed: no such form, or the file is there already.
        """
        frames.write(self, path, form)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Decimal | str | None]]:
        """Row by row, each by its headings."""
        columns = [self.values(heading) for heading in self.headings]
        return (dict(zip(self.headings, cells, strict=True)) for cells in zip(*columns, strict=True))

    def __repr__(self) -> str:
        return "\n".join([*tables.lines(self.headings, self.shown()), *self._notes()])

    def _repr_html_(self) -> str:
        return tables.html(self.headings, self.shown(), self._notes())

    def shown(self) -> list[list[str | None]]:
        """Cells as people read them, half widths beside values; None where one is withheld."""
        return [
            [*map(tables.label, row[: self.keys]), *map(tables.cell, row[self.keys :], widths[self.keys :])]
            for row, widths in zip(self.rows, self.half_widths, strict=True)
        ]

    def _notes(self) -> list[str]:
        told = sorted({each.mechanism.partition(":")[0] for each in self.noise})
        noise = f"± is half of a {CONFIDENCE:.0%} interval ({', '.join(told)} noise)."
        if not self.guaranteed:
            noise = "No differential privacy guarantee: exact but for rounding; ± is the most that it moved a figure."
        withheld = [f"{self.withheld} cells are withheld, to protect small groups."] if self.withheld else []
        tried = ["SYNTHETIC: of a synthetic sample, and of no data; nothing was asked or charged."]
        return [*(tried if self.synthetic else []), noise, *withheld, *(_source(each) for each in self.sources)]

    def _place(self, heading: str) -> int:
        if heading not in self.headings:
            raise KeyError(heading)
        return self.headings.index(heading)


def reason(text: str, language: Language = "en") -> str:
    """A reason as a provider wrote it; an error code as its sentence."""
    return sentence(text, language, {}) if text in MESSAGES else text


def _source(sealed: Sealed) -> str:
    return f"{sealed.provider}: {tables.loss(sealed.charge)}; receipt {sealed.receipt}"


def _check_released(found: control_pb2.OwnComputation) -> None:
    from hefu.v1 import computation_pb2

    states, state = computation_pb2.Computation.State, found.computation.state
    name, agreement = short(found.computation.name), short(found.agreement)
    if state == computation_pb2.Computation.STATE_REFUSED:
        reasons = [reason(each) for each in found.reasons]
        raise Refused("question.refused", reasons=reasons, computation=name, agreement=agreement, peer=found.provider)
    if state == computation_pb2.Computation.STATE_RELEASED:
        if found.HasField("answer"):
            return
        raise Conflict("question.no_table", computation=name)
    if state in (computation_pb2.Computation.STATE_FAILED, computation_pb2.Computation.STATE_CANCELLED):
        told = states.Name(state).removeprefix("STATE_").lower()
        raise Conflict("question.ended", reasons=[reason(each) for each in found.reasons], computation=name, state=told)
    raise Unavailable("question.waiting", computation=name)


def keys_of(found: control_pb2.OwnComputation) -> int:
    """How many headings of an answer are group keys, by what was asked."""
    from hefu import canonical

    from hefu_connector.computing.computation import LARGEST_PLAN, Plan
    from hefu_connector.computing.exact import ExactPlan
    from hefu_connector.computing.plans import read_plan

    asked = read_plan(canonical.decode_object(found.plan, LARGEST_PLAN))
    plan = asked.plan if isinstance(asked, ExactPlan) else asked
    return len(found.answer.headings) - (len(plan.aggregates) if isinstance(plan, Plan) else 0)


def sealed(found: control_pb2.OwnComputation) -> Sealed:
    """Where an answer comes from, by the receipt of a released computation."""
    from hefu.envelope import Statement
    from hefu.statements.receipt import Receipt
    from hefu_policies.budget import PrivacyLoss

    statement = Statement.parse(found.computation.receipt.envelope)
    receipt = Receipt.of(statement)
    spent = receipt.charge
    return Sealed(
        computation=receipt.computation,
        provider=found.provider,
        agreement=short(found.agreement),
        product=receipt.product,
        charge=PrivacyLoss(spent.epsilon_nano, spent.delta_femto, spent.rho_nano),
        receipt=statement.id,
    )


def values(row: control_pb2.AnswerRow) -> Row:
    """The cells of a row."""
    return tuple(cell.value if cell.HasField("value") else None for cell in row.cells)


def widths(row: control_pb2.AnswerRow) -> Row:
    """Half of the interval of each cell of a row."""
    return tuple(cell.half_width if cell.HasField("half_width") else None for cell in row.cells)


def _cell(text: str | None, *, key: bool) -> Decimal | str | None:
    return text if text is None or key else Decimal(text)


def same_questions(answers: Sequence[Answer]) -> bool:
    """Whether answers have the same headings and groups, in the same order."""
    shapes = {(each.headings, each.keys, tuple(row[: each.keys] for row in each.rows)) for each in answers}
    return len(shapes) == 1
