"""What may be told beside all that was told before: the cells of the newest question, judged by every rule. Pure.

Whoever has figures can add and subtract them, so rules speak of combinations: no combination stands for fewer units
than the minimum (`hefu_connector.engines.ranks`), and no nested difference of sums is one unit's
(`hefu_connector.engines.dominance`).
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hefu_connector.engines.dominance import Bare, Parts
from hefu_connector.engines.exact.standing import Standing, places
from hefu_connector.engines.isolation import Exhausted, Work, admitted
from hefu_connector.engines.ranks import Class, Ranks


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that nothing tells apart, the newest question included.

    Attributes:
        marks: the bits of the marks that they are in.
        cell: of the newest question; -1 for none.
        sets: the names of its sets that they are in.
        units: their privacy units where they are fewer than the minimum; None where they are enough.
    """

    marks: int
    cell: int
    sets: frozenset[str]
    units: frozenset[Hashable] | None


@dataclass(slots=True)
class Fresh:
    """What the newest question's figures are summed over, each set of rows once.

    Attributes:
        cells: of each, whose figure it is; ``sums``: which columns' sums are told of it.
        bits: of each group, which of them it is in.
    """

    cells: list[int] = field(default_factory=list)
    sums: list[frozenset[str]] = field(default_factory=list)
    bits: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, groups: Sequence[Group], cells: Collection[int], sums: Collection[str]) -> Fresh:
        """Of the cells that may be told by themselves."""
        inside: dict[tuple[int, str], list[int]] = {}
        for index, each in enumerate(groups):
            if each.cell in cells:
                for name in each.sets:
                    inside.setdefault((each.cell, name), []).append(index)
        same: dict[tuple[int, tuple[int, ...]], set[str]] = {}
        for (cell, name), found in inside.items():
            same.setdefault((cell, tuple(found)), set()).add(name)
        made = cls()
        for row, ((cell, members), names) in enumerate(same.items()):
            made.cells.append(cell)
            made.sums.append(frozenset(names & {*sums}))
            for index in members:
                made.bits[index] = made.bits.get(index, 0) | 1 << row
        return made

    def of_cell(self, cell: int) -> Iterator[int]:
        """The rows of a cell."""
        return (row for row, each in enumerate(self.cells) if each == cell)

    def of_column(self, column: str) -> int:
        """The bits of the rows whose figures tell a column's sum; of all where there is none named."""
        return sum(1 << row for row, each in enumerate(self.sums) if not column or column in each)


@dataclass(frozen=True, slots=True)
class Asked:
    """The newest question, counted.

    Attributes:
        least: the minimum group of its contract.
        able: the cells that may be told by themselves, with how many units each stands for.
        before: those that were told before.
        dominated: by column, the cells whose sum one unit makes up most of.
        shared: by column, what units bring to its sum, by group.
    """

    least: int
    able: Mapping[int, int]
    before: frozenset[int]
    dominated: Mapping[str, frozenset[int]]
    shared: Mapping[str, Sequence[Parts]]


def choose(standing: Standing, groups: Sequence[Group], asked: Asked) -> list[int]:
    """The cells that may be told: those that were before first, then the largest.

    What was found out about the marks is noted in `standing`.
    """
    fresh = Fresh.of(groups, asked.able.keys(), asked.shared.keys())
    ordered = sorted(asked.able, key=lambda cell: (cell not in asked.before, -asked.able[cell], cell))
    work = Work()
    try:
        rules = [*_rules(standing, groups, asked, fresh, work)]
    except Exhausted:
        return []

    def fits(rows: Collection[int]) -> bool:
        bits = sum(1 << row for row in rows)
        return all(each.holds(bits) for each in rules)

    return admitted(ordered, fresh.of_cell, fits)


@dataclass(frozen=True, slots=True)
class _Rule:
    """No combination of figures stands for fewer units than the minimum."""

    ranks: Ranks
    rows: int

    def holds(self, bits: int) -> bool:
        """Whether it holds with these figures told, too."""
        try:
            return not bits & self.rows or self.ranks.holds(bits & self.rows)
        except Exhausted:
            return False


@dataclass(frozen=True, slots=True)
class _BareRule:
    """No difference of sums of a column that lie in each other is mostly one unit's."""

    bare: Bare
    sets: Mapping[int, int]

    def holds(self, bits: int) -> bool:
        """Whether it holds with these figures told, too."""
        return self.bare.holds({self.sets[row] for row in places(bits) if row in self.sets})


def _rules(
    standing: Standing, groups: Sequence[Group], asked: Asked, fresh: Fresh, work: Work
) -> Iterator[_Rule | _BareRule]:  # fmt: skip
    heavy = {each.heavy for each in standing.marks} | {name for name, cells in asked.dominated.items() if cells}
    # An answer under a minimum of 5 and one under 20 single out no fewer than 5 together, and those under 20 alone no
    # fewer than 20: so each minimum is held for all answers that promise as much.
    for least in sorted({asked.least, *(each.group for each in standing.marks if not each.heavy)}):
        for column in ("", *sorted(heavy - {""})) if least <= asked.least else ():
            if rows := fresh.of_column(column):
                yield _Rule(_ranks(standing, groups, asked, fresh, work, least, column), rows)
    for column, parts in asked.shared.items():
        told = _marks(standing, 0, column)
        sets = _transposed([each.marks & told for each in groups])
        mine = _transposed([fresh.bits.get(at, 0) & fresh.of_column(column) for at in range(len(groups))])
        yield _BareRule(Bare(parts, sets.values(), work), mine)


def _ranks(
    standing: Standing, groups: Sequence[Group], asked: Asked, fresh: Fresh, work: Work, least: int, column: str
) -> Ranks:  # fmt: skip
    """The rule of one minimum, and of one column's sums; cells that one unit dominates count as one unit there."""
    told, rows = _marks(standing, least, column), fresh.of_column(column)
    heavy = sum(1 << at for at, each in enumerate(standing.marks) if column and each.heavy == column)
    dominated = asked.dominated.get(column, frozenset())
    units: dict[tuple[int, int, Hashable], frozenset[Hashable] | None] = {}
    for at, each in enumerate(groups):
        one: Hashable = None
        if each.cell in dominated:
            one = ("newest", each.cell)
        elif marks := each.marks & heavy:
            one = ("mark", marks.bit_length())
        key = (each.marks & told, fresh.bits.get(at, 0) & rows, one)
        more = each.units if one is None else frozenset({one})
        had = units.get(key, frozenset())
        units[key] = None if more is None or had is None else had | more
    classes = [
        Class(old, new, None if found is None or len(found) >= least else found)
        for (old, new, _), found in units.items()
        if old or new
    ]
    name, everything = f"{least}/{column}", (1 << len(standing.marks)) - 1
    without = everything & ~told | standing.dependent.get(name, 0)
    found = Ranks(_spread_out(classes), len(standing.marks), least, work, without)
    standing.dependent[name] = found.dependent & told
    return found


def _marks(standing: Standing, least: int, column: str) -> int:
    """The bits of what was told under a minimum as large; with a column, of its sums alone."""
    return sum(
        1 << at
        for at, each in enumerate(standing.marks)
        if not each.heavy and each.group >= least and (not column or column in each.sums)
    )


def _spread_out(classes: list[Class]) -> list[Class]:
    """In an order that has nothing to do with where they lie: neighbours tell few rows apart."""
    return [each for _, each in sorted(enumerate(classes), key=lambda each: each[0] * 2_654_435_761 % 2**32)]


def _transposed(columns: Sequence[int]) -> dict[int, int]:
    """Of each bit that is set anywhere, in which of the columns it is."""
    every = 0
    for each in columns:
        every |= each
    if not every:
        return {}
    width = every.bit_length()
    turned = zip(*(f"{each:0{width}b}" for each in reversed(columns)), strict=True)
    found = {width - 1 - at: int("".join(bits), 2) for at, bits in enumerate(turned)}
    return {at: bits for at, bits in found.items() if bits}
