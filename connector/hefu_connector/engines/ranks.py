"""Whether many told figures, added and subtracted at will, stand for the minimum of units: by bits. Pure; worker side.

It says what `hefu_connector.engines.isolation` says, for histories of a thousand answers. A told figure is a row of
zeros and ones over *classes*: rows of data that stand in the same told sets. Full rank modulo 2 is full rank, so:

1. Rows are told apart on large classes, those with enough units, by elimination modulo 2. Where that tells all of them
   apart no combination vanishes there, and each touches enough units.
2. A row that is left is solved for by the others in 2-adic digits (`hefu_connector.engines.digits`). If that ends, it
   is a sum of theirs in whole numbers, says nothing new, and is left out. If not, the digits say what is left of it,
   which is nothing on the columns solved by; on other large classes it is told apart by a digit that is not zero.
3. What vanishes on all large classes must be spread: as many bases as the minimum that have no unit in common.

What is left undecided is called unsafe. Nothing hangs on a prime that somebody could choose questions for: what is not
zero modulo a power of 2 is not zero, and what is called zero is zero in whole numbers, or is held to step 3.

Source: disjoint bases of a matroid, Edmonds 1965.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from hefu_connector.engines.digits import Apart, Basis, Left
from hefu_connector.engines.isolation import Exhausted, Work, is_spread

_MOST_LEARNT = 60_000_000  # work on finding which rows are sums; what is found is noted and not sought again
_MOST_DIGITS = 4_000  # binary digits of a whole number that elimination may make
_LEAST_PRECISION = 8  # binary digits


@dataclass(frozen=True, slots=True)
class Class:
    """Rows of data that stand in the same told sets.

    Attributes:
        old: the bits of the rows told before that it stands in, and ``new``: of those asked for now.
        units: its privacy units, where they are fewer than the minimum; None where they are enough.
    """

    old: int
    new: int
    units: frozenset[Hashable] | None


class Ranks:
    """Rows that were told, to which others may be added.

    Attributes:
        dependent: the bits of old rows that are sums of others.
    """

    def __init__(self, classes: Sequence[Class], rows: int, least: int, work: Work, dependent: int = 0) -> None:
        """Tell the rows apart as far as large classes do.

        Args:
            rows: how many were told before.
            least: the minimum group.
            dependent: as it was found before.

        Raises:
            Exhausted: there is more to show than there is time for.
        """
        self._classes, self._least, self._work = classes, least, work
        self._fresh = max((each.new.bit_length() for each in classes), default=0)
        self._places = range(len(classes))
        columns = [(each.old & ~dependent, each.new) for each in classes]
        apart = Apart(columns, rows, self._fresh, dependent, work)
        apart.take(at for at in self._places if classes[at].units is None)
        self.dependent = dependent | self._sums(apart)
        if self.dependent != dependent:
            columns = [(each.old & ~self.dependent, each.new) for each in classes]
            apart = Apart(columns, rows, self._fresh, self.dependent, work)
            apart.take(at for at in self._places if classes[at].units is None)
        self._apart = apart
        self._open = [apart.solved([each.old >> row & 1 for each in classes]) for row in apart.undecided()]
        self._lefts: dict[int, Left] = {}

    def holds(self, rows: int) -> bool:
        """Whether the new rows of these bits can be told beside the old ones.

        Raises:
            Exhausted: as above.
        """
        wanted = [index for index in range(self._fresh) if rows >> index & 1]
        if not self._open and self._apart.told_apart(rows) == len(wanted):
            return True
        lefts = [*self._open, *(self._left(index) for index in wanted)]
        return self._spread([Left(dict(each.values), each.digits) for each in lefts])

    def _sums(self, large: Apart) -> int:
        """The old rows that are sums of others, of those that large classes do not tell apart."""
        undecided = large.undecided()
        if not undecided:
            return 0
        whole, found = large.copy(Work(_MOST_LEARNT)), 0
        with suppress(Exhausted):  # what is not found now is found by a later answer, and is in its way until then
            whole.take(at for at in self._places if self._classes[at].units is not None)
            for row in whole.undecided():
                if whole.is_sum([each.old >> row & 1 for each in self._classes]):
                    found |= 1 << row
        return found

    def _left(self, index: int) -> Left:
        if index not in self._lefts:
            self._lefts[index] = self._apart.solved([each.new >> index & 1 for each in self._classes])
        return self._lefts[index]

    def _spread(self, lefts: list[Left]) -> bool:
        if not self._settle(lefts):
            return False
        inside = [each for each in lefts if not each.is_nothing]  # the others are sums of what is told
        if not inside or self._packed(inside):
            return True
        if any(each.digits for each in inside):
            return False
        thin = self._thinned(inside)
        if thin is None:
            return False
        small = {at: each.units for at, each in enumerate(self._classes) if each.units is not None}
        return (
            not thin or self._packed(thin) or is_spread([each.values for each in thin], small, self._least, self._work)
        )

    def _settle(self, lefts: list[Left]) -> bool:
        """Take out the rows that large classes tell apart; False where too little is known of one."""
        while (pivot := self._pivot(lefts)) is not None:
            chosen, at = pivot
            mine = lefts.pop(chosen)
            if not all(self._eliminate(each, mine, at) for each in lefts):
                return False
        return True

    def _pivot(self, lefts: Sequence[Left]) -> tuple[int, int] | None:
        """The row and the large class whose value is divisible by 2 the least."""
        best: tuple[int, int, int] | None = None
        for index, each in enumerate(lefts):
            self._work.spend(len(each.values))
            for at, value in each.values.items():
                if self._classes[at].units is None and (best is None or _power(value) < best[0]):
                    best = (_power(value), index, at)
        return best and best[1:]

    def _thinned(self, inside: Sequence[Left]) -> list[Left] | None:
        """Rows that span the same and none of which is a sum of others; their values are known exactly."""
        found: list[tuple[int, Left]] = []
        for each in inside:
            row = Left(dict(each.values))
            if not all(self._eliminate(row, other, at) for at, other in found):
                return None
            if row.values:
                found.append((min(row.values, key=lambda at: (abs(row.values[at]), at)), row))
        return [row for _, row in found]

    def _eliminate(self, row: Left, pivot: Left, at: int) -> bool:
        """Take the pivot's class out of a row; False where too little of it would be known."""
        if at not in row.values:
            return True
        value, other = pivot.values[at], row.values[at]
        power = min(_power(value), _power(other))
        times, less = value >> power, other >> power
        known = [each for each in (row.digits, pivot.digits) if each]
        row.digits = min(known) - power if known else 0
        if known and row.digits < _LEAST_PRECISION:
            return False
        self._work.spend(len(row.values) + len(pivot.values))
        row.values = {
            place: times * row.values.get(place, 0) - less * pivot.values.get(place, 0)
            for place in row.values.keys() | pivot.values.keys()
        }
        row.reduce()
        return all(each.bit_length() < _MOST_DIGITS for each in row.values.values())

    def _packed(self, inside: Sequence[Left]) -> bool:
        """Whether so many bases modulo 2 can be found that no unit stands in two of them."""
        columns: dict[int, int] = {}
        for index, each in enumerate(inside):
            shift = min((_power(value) for value in each.values.values()), default=0)
            for at, value in each.values.items():
                columns[at] = columns.get(at, 0) | (value >> shift & 1) << index
        units = {at: {*(self._classes[at].units or ())} for at, bits in columns.items() if bits}
        for _ in range(self._least):
            used = self._base(columns, units, len(inside))
            if used is None:
                return False
            for rest in units.values():
                rest.difference_update(used)
        return True

    def _base(
        self, columns: dict[int, int], units: dict[int, set[Hashable]], rank: int
    ) -> set[Hashable] | None:  # fmt: skip
        """One unit for each column of a basis; None where there is no basis."""
        basis, used = Basis(0, self._work), set[Hashable]()
        for at in sorted((each for each in units if units[each]), key=lambda each: (-len(units[each]), each)):
            if rest := basis.reduce(columns[at]):
                basis.add(rest)
                if not units[at] & used:
                    used.add(min(units[at], key=repr))
                if len(basis.at) == rank:
                    return used
        return None


def _power(value: int) -> int:
    """How often 2 divides it."""
    return (value & -value).bit_length() - 1
