"""Rows told apart by columns of zeros and ones: elimination modulo 2, and what is left of a row in 2-adic digits. Pure.

Columns are whole numbers whose bits are rows, so that a step of elimination is one operation on a whole number.
Pivots have an odd determinant, so that a row can be solved for modulo every power of 2, a digit at a time.

Source: p-adic lifting, Dixon, "Exact solution of linear equations using p-adic expansions", 1982.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hefu_connector.engines.isolation import Work

_DIGITS = 24  # of a solution, modulo 2
_FEW = 6  # digits after which most solutions that end have ended
_ODD = (3, 15, 105)  # denominators that a solution is tried with


@dataclass(slots=True)
class Left:
    """What is left of a row beside others, by class; what is not there is zero.

    Attributes:
        digits: how many binary digits of each value are known; 0 where they are known exactly.
    """

    values: dict[int, int]
    digits: int = 0

    @property
    def is_nothing(self) -> bool:
        """Whether the row is a sum of the others, without doubt."""
        return not self.values and not self.digits

    def reduce(self) -> Left:
        """Bring values between zero and their modulus, and forget zeros."""
        mask = (1 << self.digits) - 1 if self.digits else -1
        self.values = {at: value & mask for at, value in self.values.items() if value & mask}
        return self


@dataclass(slots=True)
class Basis:
    """Vectors of bits, each with a highest bit of its own.

    Attributes:
        floor: bits below it are carried along and do not count.
        at: the vectors by the lengths of their bits.
    """

    floor: int
    work: Work
    at: dict[int, int] = field(default_factory=dict)

    def reduce(self, vector: int) -> int:
        """A vector without what the basis has already."""
        found, floor, steps = self.at, self.floor, 0
        while (high := vector.bit_length()) > floor:
            other = found.get(high)
            if other is None:
                break
            vector ^= other
            steps += 1
        self.work.spend(steps)
        return vector

    def add(self, vector: int) -> None:
        """Take up a vector that was reduced and is not zero."""
        self.at[vector.bit_length()] = vector


class Apart:
    """Which rows some columns tell apart modulo 2.

    A vector is a sum of columns: above, the bits of old rows; then those of new rows; below, which columns it is of.
    """

    def __init__(
        self, columns: Sequence[tuple[int, int]], rows: int, fresh: int, without: int, work: Work
    ) -> None:  # fmt: skip
        """Args:
        columns: of each, the bits of old rows and of new rows; none of `without`.
        rows, fresh: how many there are.
        without: the bits of old rows that are not to be told apart.
        """
        self._columns, self._rows, self._fresh, self._without, self._work = columns, rows, fresh, without, work
        self._low = rows + 1  # how many bits say which columns a vector is of
        self._basis = Basis(self._low + fresh, work)
        self._pivots: list[int] = []
        self._more = Basis(0, work)
        self._parts: set[int] = set()
        self._ordered: list[tuple[int, int, int]] = []

    def copy(self, work: Work) -> Apart:
        """Another one with the same pivots, to which other columns can be added."""
        made = Apart(self._columns, self._rows, self._fresh, self._without, work)
        made._basis.at.update(self._basis.at)
        made._pivots.extend(self._pivots)
        return made

    def take(self, places: Iterable[int]) -> None:
        """Take up columns until all rows are told apart."""
        needed, low, mask = self._rows - self._without.bit_count(), self._low, (1 << self._fresh) - 1
        for place in places:
            if len(self._pivots) == needed and len(self._more.at) == self._fresh:
                return
            old, new = self._columns[place]
            vector = self._basis.reduce((old << self._fresh | new) << low | 1 << len(self._pivots))
            if vector.bit_length() > self._basis.floor:
                self._basis.add(vector)
                self._pivots.append(place)
            elif part := vector >> low & mask:
                self._parts.add(part)
                if rest := self._more.reduce(part):
                    self._more.add(rest)

    def undecided(self) -> list[int]:
        """The old rows that are not told apart."""
        taken = {high - 1 - self._basis.floor for high in self._basis.at}
        return [row for row in range(self._rows) if row not in taken and not self._without >> row & 1]

    def told_apart(self, rows: int) -> int:
        """How many of some new rows are told apart beside all old ones that are."""
        basis = Basis(0, self._work)
        for part in self._parts:
            if rest := basis.reduce(part & rows):
                basis.add(rest)
        return len(basis.at)

    def solved(self, row: Sequence[int]) -> Left:
        """What is left of a row, by column, without a sum of the pivots' rows; nothing where they are columns."""
        return self._left(row, *self._lifted(row, _DIGITS))

    def is_sum(self, row: Sequence[int]) -> bool:
        """Whether a row is a sum of the pivots' rows, for certain."""
        for times in (1, *_ODD):
            many = [value * times for value in row]
            found = self._left(many, *self._lifted(many, _FEW if times == 1 else _DIGITS))
            if found.values or not found.digits:
                return found.is_nothing
        return False

    def _left(self, row: Sequence[int], slices: Sequence[tuple[int, int]], digits: int) -> Left:
        values: dict[int, int] = {}
        mask = (1 << digits) - 1 if digits else -1
        self._work.spend(len(row) * (1 + len(slices)))
        for at, value in enumerate(row):
            old, left = self._columns[at][0], value
            for bits, weight in slices:
                left -= weight * (old & bits).bit_count()
            if left & mask:
                values[at] = left & mask
        return Left(values, digits)

    def _lifted(self, row: Sequence[int], most: int) -> tuple[list[tuple[int, int]], int]:
        """The digits of a solution on the pivots: of each its rows and its weight; and how many, where they go on."""
        slices: list[tuple[int, int]] = []
        rest = [row[place] for place in self._pivots]
        columns = [self._columns[place][0] for place in self._pivots]
        for digit in range(most):
            bits = self._digit(rest)
            after = [(value - (column & bits).bit_count()) >> 1 for value, column in zip(rest, columns, strict=True)]
            self._work.spend(4 * len(rest))
            if after == rest:  # all digits from here on are the same: they are those of a negative number, or zeros
                return [*slices, *([(bits, -1 << digit)] if bits else [])], 0
            if bits:
                slices.append((bits, 1 << digit))
            rest = after
        return slices, most

    def _digit(self, rest: Sequence[int]) -> int:
        """The rows that sum up to what is left on the pivots, modulo 2."""
        odd = int("".join(["1" if value & 1 else "0" for value in reversed(rest)]) or "0", 2)
        if not odd:
            return 0
        found = 0
        for bit, rows, sums in self._halves():
            if ((rows & found).bit_count() + (sums & odd).bit_count()) & 1:
                found |= bit
        return found

    def _halves(self) -> list[tuple[int, int, int]]:
        """Of each vector its pivot's row, its rows, and which columns it is of; in the order in which rows follow."""
        if len(self._ordered) != len(self._basis.at):
            above, low = self._basis.floor, (1 << self._low) - 1
            vectors = sorted(self._basis.at.items())
            self._ordered = [(1 << (high - 1 - above), each >> above, each & low) for high, each in vectors]
        return self._ordered
