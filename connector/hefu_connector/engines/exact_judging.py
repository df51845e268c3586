"""What may be told beside all that was told before: the cells of the newest question, judged by every rule. Pure.

Whoever has figures can add and subtract them, so rules speak of combinations: no combination stands for fewer units
than the minimum (`hefu_connector.engines.isolation`), and no nested difference of sums is one unit's
(`hefu_connector.engines.dominance`).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from hefu_connector.engines.dominance import Parts, lies_bare
from hefu_connector.engines.exact_sql import Question
from hefu_connector.engines.isolation import Atom, Summed, Work, admitted, is_safe

Where = tuple[Any, ...]  # cells and presences


@dataclass(frozen=True, slots=True)
class Told:
    """One answer: what was asked, and which of its cells were told.

    Attributes:
        group: the minimum group of the contract that it was told under.
        dominated: by column, the cells whose sum one unit makes up most of.
    """

    question: Question
    group: int
    cells: frozenset[int]
    dominated: dict[str, frozenset[int]]

    def heavy(self) -> frozenset[int]:
        """The cells that one unit dominates, of whatever sum."""
        return frozenset().union(*self.dominated.values())


@dataclass(slots=True)
class World:
    """Who stands where.

    Attributes:
        columns: those whose presence is known, with their types.
        told: of each question before the newest, the cells that matter.
        places: where each atom stands: its cells, and which columns are present.
        present: of each atom, which of them are present in it.
        few: the privacy units of atoms with fewer than the newest minimum.
        atoms: by question and cell.
    """

    columns: list[tuple[str, str]]
    told: list[frozenset[int]]
    places: dict[Where, Atom] = field(default_factory=dict)
    present: list[tuple[bool, ...]] = field(default_factory=list)
    few: dict[Atom, frozenset[Hashable]] = field(default_factory=dict)
    atoms: dict[tuple[int, int], list[Atom]] = field(default_factory=dict)

    def where(self, place: Sequence[Any]) -> Where:
        """Where a row stands: a cell that was not told then is in no set of the time, and tells nobody apart."""
        past = len(self.told)
        cells = (cell if cell in told else None for cell, told in zip(place[:past], self.told, strict=True))
        return (*cells, *place[past:])

    def add(self, where: Where, questions: int, few: Iterable[Hashable] | None) -> None:
        """One more atom, with its units where they are few."""
        atom = self.places.setdefault(where, len(self.places))
        self.present.append(where[questions:])
        if few is not None:
            self.few[atom] = frozenset(few)
        for at, cell in enumerate(where[:questions]):
            if cell is not None:
                self.atoms.setdefault((at, cell), []).append(atom)

    def summed(self, at: int, told: Told, cell: int) -> list[Summed]:
        """What the figures of one cell of a question are summed over."""
        atoms, found = self.atoms.get((at, cell), []), []
        for name in told.question.sets:
            place = self.columns.index((name, told.question.columns[name])) if name else 0
            found.append((name, frozenset(each for each in atoms if not name or self.present[each][place])))
        return found


def choose(
    world: World, past: Sequence[Told], newest: Told, able: Sequence[int], sizes: Mapping[int, int],
    shared: dict[str, dict[Atom, Parts]],
) -> list[int]:  # fmt: skip
    """The cells that may be told: those that were before first, then the largest.

    Args:
        able: cells that may be told by themselves.
        sizes: how many units each stands for.
        shared: by column and atom, what units bring to its sum.
    """
    before = {cell for each in past if each.question == newest.question for cell in each.cells}
    ordered = sorted(able, key=lambda cell: (cell not in before, -sizes[cell], cell))
    columns = {name for each in (*past, newest) for name, cells in each.dominated.items() if cells}
    # An answer under a minimum of 5 and one under 20 single out no fewer than 5 together, and those under 20 alone no
    # fewer than 20: so each minimum is held for all answers that promise as much.
    work = Work()
    rules: list[_Rule | _BareRule] = [
        _Rule.of(world, past, newest, least, column, work)
        for least in sorted({each.group for each in (*past, newest)})
        for column in ("", *sorted(columns))
        if least <= newest.group
    ]
    rules += [_BareRule(name, frozenset(_told_before(world, past, name)), parts) for name, parts in shared.items()]
    return admitted(
        ordered,
        lambda cell: world.summed(len(past), newest, cell),
        lambda sets: all(each.holds(sets) for each in rules),
    )


@dataclass(frozen=True, slots=True)
class _Rule:
    """No combination of figures stands for fewer units than this.

    Attributes:
        column: of which sums alone; cells that one unit dominates count as one unit then. Empty for all figures.
    """

    least: int
    column: str
    told: frozenset[frozenset[Atom]]
    small: dict[Atom, frozenset[Hashable]]
    work: Work

    @classmethod
    def of(cls, world: World, past: Sequence[Told], newest: Told, least: int, column: str, work: Work) -> _Rule:
        """The rule, with all that was told before under it."""
        told = _told_before(world, past, column, least)
        small = {atom: units for atom, units in world.few.items() if len(units) < least}
        for at, each in enumerate((*past, newest) if column else ()):
            for cell in each.dominated.get(column, frozenset()):
                small |= dict.fromkeys(world.atoms.get((at, cell), ()), frozenset({("dominated", at, cell)}))
        return cls(least, column, frozenset(told), small, work)

    def holds(self, sets: AbstractSet[Summed]) -> bool:
        """Whether it holds with these figures told, too."""
        mine = {summed for name, summed in sets if self.column in ("", name)}
        return not mine or is_safe(self.told | mine, self.small, self.least, self.work)


@dataclass(frozen=True, slots=True)
class _BareRule:
    """No difference of sums of a column that lie in each other is mostly one unit's."""

    column: str
    told: frozenset[frozenset[Atom]]
    parts: dict[Atom, Parts]

    def holds(self, sets: AbstractSet[Summed]) -> bool:
        """Whether it holds with these figures told, too."""
        mine = {summed for name, summed in sets if self.column == name} - self.told
        return not mine or not lies_bare(mine, self.told, self.parts)


def _told_before(world: World, past: Sequence[Told], column: str, least: int = 0) -> Iterator[frozenset[Atom]]:
    """What earlier figures are summed over; with a column, those of its sums alone."""
    for at, each in enumerate(past):
        if each.group >= least and (not column or column in each.question.sums):
            for cell in each.cells:
                yield from (summed for name, summed in world.summed(at, each, cell) if column in ("", name))
