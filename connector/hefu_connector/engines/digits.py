"""Rows told apart by columns of zeros and ones: elimination modulo 2, and what is left of a row in 2-adic digits. Pure.

Columns are whole numbers whose bits are rows, so that a step of elimination is one operation on a whole number.
Pivots have an odd determinant, so that a row can be solved for modulo every power of 2, a digit at a time.

Source: p-adic lifting, Dixon, "Exact solution of linear equations using p-adic expansions", 1982.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hefu_connector.engines.isolation import Work

_DIGITS = 40  # of a solution, modulo 2
_ODD = (1, 3, 15, 105)  # denominators that a solution is tried with


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

    def copy(self) -> Apart:
        """Another one with the same pivots, to which other columns can be added."""
        made = Apart(self._columns, self._rows, self._fresh, self._without, self._work)
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
        found = Left({})
        for odd in _ODD:
            found = self._lifted([value * odd for value in row])
            if found.values or not found.digits:
                break
        return found

    def _lifted(self, row: Sequence[int]) -> Left:
        slices, digits, rest = [], 0, [row[place] for place in self._pivots]
        for digit in range(_DIGITS):
            bits = self._digit(rest)
            after = [
                (value - (self._columns[place][0] & bits).bit_count()) >> 1
                for value, place in zip(rest, self._pivots, strict=True)
            ]
            self._work.spend(4 * len(rest))
            if after == rest:  # all digits from here on are the same: they are those of a negative number, or zeros
                slices.append((bits, -1 << digit))
                break
            slices.append((bits, 1 << digit))
            rest = after
        else:
            digits = _DIGITS
        slices = [(bits, weight) for bits, weight in slices if bits]
        self._work.spend(len(row) * (1 + len(slices)))
        values = {
            at: value - sum(weight * (self._columns[at][0] & bits).bit_count() for bits, weight in slices)
            for at, value in enumerate(row)
        }
        return Left(values, digits).reduce()

    def _digit(self, rest: Sequence[int]) -> int:
        """The rows that sum up to what is left on the pivots, modulo 2."""
        odd = int("".join("1" if value & 1 else "0" for value in reversed(rest)) or "0", 2)
        above, found = self._basis.floor, 0
        for high in sorted(self._basis.at):
            vector = self._basis.at[high]
            if ((vector >> above & found).bit_count() + (vector & odd).bit_count()) & 1:
                found |= 1 << (high - 1 - above)
        return found
