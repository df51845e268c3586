"""Having records scored by a model that does not see them, as programs and commands ask for it."""

from __future__ import annotations

import csv
import os
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hefu.errors import Malformed

from hefu_connector.workbench import derived, frames, records, tables
from hefu_connector.workbench.link import PEER, short

if TYPE_CHECKING:
    from hefu.v1 import control_pb2
    from hefu.v1.control_pb2_grpc import ControlServiceStub
    from hefu_policies.goods.product import Description

    from hefu_connector.workbench.records import Records

HEADINGS = ("record", "score")
_LONGEST = 24 * 3600.0  # seconds: a million records take minutes
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Question:
    """Records that were checked, and under what they are to be scored.

    Attributes:
        count: of the records.
        each: of one request, at most, in whole blocks; 0 for as many as fit.
    """

    agreement: str
    product: str
    purpose: str
    records: Records
    count: int
    each: int

    def messages(self) -> Iterator[control_pb2.ScoreRecordsRequest]:
        """What the connector is sent."""
        from hefu.v1 import control_pb2

        asked = control_pb2.RecordsAsked(
            agreement=self.agreement,
            product=f"products/{self.product}",
            purpose=self.purpose,
            records_each=self.each,
            records=self.count,
        )
        yield control_pb2.ScoreRecordsRequest(asked=asked)
        for piece in self.records.pieces():
            yield control_pb2.ScoreRecordsRequest(values=control_pb2.RecordValues(values=piece.values))


@dataclass(slots=True)
class Tally:
    """What is known of a question so far.

    Attributes:
        begun: what the connector said of the model; None before.
        stage: what is being done at present.
        done: records that have their score.
        charged: exact releases that were charged now; what was asked before costs nothing.
        computations: that answered.
    """

    begun: control_pb2.ScoringBegun | None = None
    stage: int = 0
    done: int = 0
    charged: int = 0
    computations: list[str] = field(default_factory=list)

    def take(self, message: control_pb2.ScoreRecordsResponse) -> Sequence[int]:
        """Note what the connector says; the scores in it, in steps."""
        part = message.WhichOneof("part")
        if part == "begun":
            self.begun = message.begun
        if part == "step":
            self.stage = message.step.stage
        if part != "scores":
            return ()
        told, name = message.scores, short(message.scores.computation)
        self.done += len(told.steps)
        self.charged += told.charged
        self.computations.append(name)
        return told.steps


@dataclass(frozen=True, slots=True, repr=False)
class Scores:
    """The scores of records, in their order.

    Attributes:
        answer: what they are: ``identity``, ``ranking``, ``logistic`` or ``decision``.
        step: the grid they stand on.
        tolerance: how far one may be from the plain model's.
        steps: of each record, in whole steps.
        charged: exact releases that were charged now; what had been asked before costs nothing.
        computations: that answered; each has a receipt: ``hefu compute show COMPUTATION --receipt FILE``.
    """

    product: str
    provider: str
    agreement: str
    answer: str
    step: Decimal
    tolerance: Decimal
    steps: array[int]
    charged: int
    computations: tuple[str, ...]

    @property
    def values(self) -> tuple[Decimal, ...]:
        """Exact decimals on the grid."""
        return tuple(each * self.step for each in self.steps)

    def to_pandas(self) -> Any:
        """A `pandas.Series` of numbers."""
        pandas = frames.package("pandas")
        about = {name: str(getattr(self, name)) for name in ("product", "provider", "agreement", "step", "tolerance")}
        series = pandas.Series([float(each) for each in self.values], name=HEADINGS[1], dtype="float64")
        series.attrs.update({f"hefu.{name}": value for name, value in about.items()})
        return series

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write a new CSV file; raises Malformed where there is one of that name."""
        with created(Path(path)) as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(HEADINGS)
            rows.writerows((at, tables.number(each)) for at, each in enumerate(self.values, 1))

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Decimal]:
        return iter(self.values)

    def __repr__(self) -> str:
        return "\n".join([*tables.lines(HEADINGS, self._shown()), self._note()])

    def _repr_html_(self) -> str:
        return tables.html(HEADINGS, self._shown(), [self._note()])

    def _shown(self) -> list[list[str | None]]:
        return [[str(at), tables.number(each * self.step)] for at, each in enumerate(self.steps[:_SHOWN], 1)]

    def _note(self) -> str:
        within = f"within {tables.number(self.tolerance)} of the plain model's"
        said = "an order of these records, and no scores" if self.answer == "ranking" else within
        return f"{len(self)} records, {said}; {self.charged} releases charged; {self.provider}, under {self.agreement}."


def prepare(
    contract: control_pb2.Contract, description: Description, table: Any, purpose: str = "", each: int = 0
) -> Question:
    """Check records against the model of a contract; nothing is sent.

    Args:
        table: the path of a CSV file, or a table in memory.

    Raises:
        Malformed: the product is no model, there are no records, a feature has no column, or a value is missing or out
            of range: its record and column are named.
    """
    from hefu_connector.computing.records import Scored

    model = Scored.of(next((each for each in description.resources if each.model), description.resources[0]))
    found = derived.of(table, model.features)
    count = records.check(found, model)
    model.check_order(count, model.each(each))
    return Question(contract.agreement_name, description.product, purpose, found, count, each)


def ask(stub: ControlServiceStub, question: Question, tally: Tally) -> Iterator[Sequence[int]]:
    """The scores in their order, as they come, in steps; empty where something else was told.

    Raises:
        Refused: the provider refused; what was answered before stays here, and is not asked again.
        Unavailable: the provider is away; ask again later.
    """
    from hefu.wire import transport

    for message in transport.stream(stub.ScoreRecords, question.messages(), peer=PEER, timeout=_LONGEST):
        yield tally.take(message)


def gather(stub: ControlServiceStub, question: Question) -> Scores:
    """All scores; raises as `ask`."""
    tally, steps = Tally(), array("q")
    for some in ask(stub, question, tally):
        steps.extend(some)
    return scores(question, tally, steps)


def scores(question: Question, tally: Tally, steps: array[int]) -> Scores:
    """What was told, once all of it was."""
    begun = tally.begun
    if begun is None:
        raise Malformed("score.none")
    return Scores(
        product=question.product,
        provider=begun.provider,
        agreement=short(question.agreement),
        answer=begun.answer,
        step=Decimal(begun.step),
        tolerance=Decimal(begun.tolerance),
        steps=steps,
        charged=tally.charged,
        computations=tuple(tally.computations),
    )


def created(path: Path) -> Any:
    """A new text file for its owner alone; raises Malformed where it cannot be made."""
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", newline="")
    except FileExistsError:
        raise Malformed("command.exists", path=str(path)) from None
    except OSError as fault:
        raise Malformed("command.file", path=str(path), why=fault.strerror or "not writable") from None
