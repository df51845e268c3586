"""The space of all possible facts, cut into cells by what policies say, and regions in it.

An axis is a fact; its cells are numbered, and a set of cells is the bits of an integer. A `Box` says for some axes
which cells are allowed; a region is a list of boxes: the facts that lie in one of them. Intersection, difference and
emptiness are exact, and every region that is not empty has a concrete example.

Facts are taken to be given, of the right type, and independent of each other: what is shown holds for the policy, not
for the world. A missing fact permits nothing that a known one would not (`hefu_policies.deciding.decision`). A
constraint may still be Unknown about a given fact (a region that contains the one that was named), so there are two
regions of every condition: where it is true, and where it is false.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hefu_policies.analysis.points import Point, TooLarge, Truths, distinct, is_ordered, points
from hefu_policies.deciding.comparisons import comparison
from hefu_policies.deciding.policy import Condition, Constraint, Logical, Policy, Rule, leaves
from hefu_policies.words.terms import HEFU, Combine, Operand, Operator, Vocabulary

MOST_BOXES = 3000
Box = Mapping[str, int]  # by the name of a fact; absent is: any value
Leaf = tuple[str, Operator, tuple[object, ...]]
EVERYTHING: Box = {}


@dataclass(frozen=True, slots=True)
class Axis:
    """One fact.

    Attributes:
        points: a value for each cell.
        truths: for each constraint on it, the cells in which it is true, and those in which it is false.
    """

    operand: Operand
    points: tuple[Point, ...]
    truths: Mapping[Leaf, tuple[int, int]]

    @property
    def full(self) -> int:
        """All cells."""
        return (1 << len(self.points)) - 1

    @property
    def is_ordered(self) -> bool:
        """Whether its values lie on a line."""
        return is_ordered(self.operand)

    def among(self, cells: int) -> Iterator[Point]:
        """The points of some cells."""
        return (point for index, point in enumerate(self.points) if cells >> index & 1)


@dataclass(frozen=True, slots=True)
class Space:
    """All facts that some policies speak about."""

    axes: Mapping[str, Axis]

    def cells(self, leaf: Constraint, wanted: bool = True) -> int:
        """The cells of its axis in which a constraint is true; or, if not ``wanted``, in which it is false."""
        true, false = self.axes[leaf.fact].truths[_key(leaf)]
        return true if wanted else false

    def example(self, box: Box) -> dict[str, object]:
        """Facts that lie in the box, one value for every axis."""
        return {name: next(axis.among(box.get(name, axis.full))).value for name, axis in self.axes.items()}

    def region(self, conditions: Iterable[Condition], wanted: bool = True) -> list[Box]:
        """Where all of the conditions are true; or, if not ``wanted``, where one is false.

        Raises:
            TooLarge: the region falls into too many boxes.
        """
        return self._logical(Combine.AND, tuple(conditions), wanted)

    def permitted(self, policy: Policy, covers: Iterable[str]) -> list[Box]:
        """Where a policy permits a request whose action is covered by the rules of these actions; raises as `region`.

        Args:
            covers: the action and all that are broader.
        """
        broader = frozenset(covers)
        allowed = [
            box for rule in policy.permissions if rule.action in broader for box in self.region(rule.constraints)
        ]
        for rule in policy.prohibitions:
            if rule.action in broader:
                allowed = cross(allowed, self.region(rule.constraints, False))
        return allowed

    def prohibits(self, rule: Rule) -> list[Box]:
        """Where a prohibition fires: where it is not false; raises as `region`."""
        return self.minus([EVERYTHING], self.region(rule.constraints, False))

    def minus(self, region: Sequence[Box], taken: Sequence[Box]) -> list[Box]:
        """What lies in the first region and not in the second; raises as `region`."""
        left = list(region)
        for hole in taken:
            left = [piece for box in left for piece in self._cut(box, hole)]
            _check(left)
        return left

    def _cut(self, box: Box, hole: Box) -> Iterator[Box]:
        if both(box, hole) is None:
            yield box
            return
        rest = dict(box)
        for name, cells in hole.items():
            had = rest.get(name, self.axes[name].full)
            if had & ~cells:
                yield {**rest, name: had & ~cells}
            rest[name] = had & cells

    def _condition(self, condition: Condition, wanted: bool) -> list[Box]:
        if isinstance(condition, Logical):
            return self._logical(condition.combine, condition.parts, wanted)
        cells = self.cells(condition, wanted)
        if cells == self.axes[condition.fact].full:
            return [EVERYTHING]
        return [{condition.fact: cells}] if cells else []

    def _logical(self, combine: Combine, parts: tuple[Condition, ...], wanted: bool) -> list[Box]:
        if combine is Combine.XONE:
            return self._exactly_one(parts, wanted)
        if (combine is Combine.OR) is wanted:  # a union
            found = _check(_without_copies([box for part in parts for box in self._condition(part, wanted)]))
            # A sequence, like an exclusive choice, is Unknown where any of its parts is.
            return cross(found, self._known(parts)) if combine is Combine.AND_SEQUENCE else found
        return self._all(parts, wanted)

    def _all(self, parts: Iterable[Condition], wanted: bool) -> list[Box]:
        found: list[Box] = [EVERYTHING]
        for part in parts:
            found = cross(found, self._condition(part, wanted))
        return found

    def _exactly_one(self, parts: tuple[Condition, ...], wanted: bool) -> list[Box]:
        found: list[Box] = []
        for index, part in enumerate(parts):
            others = self._all((*parts[:index], *parts[index + 1 :]), False)
            found += cross(self._condition(part, True), others)
        if wanted:
            return _check(_without_copies(found))
        return self.minus(self._known(parts), found)

    def _known(self, parts: Iterable[Condition]) -> list[Box]:
        """Where each of these is either true or false."""
        known: list[Box] = [EVERYTHING]
        for part in parts:
            if any(
                self.cells(leaf, True) | self.cells(leaf, False) != self.axes[leaf.fact].full for leaf in leaves(part)
            ):
                known = cross(known, [*self._condition(part, True), *self._condition(part, False)])
        return known


def space_of(rules: Iterable[Rule], vocabulary: Vocabulary = HEFU) -> Space:
    """The space of everything that these rules speak about.

    Raises:
        TooLarge: some fact has too many cells.
    """
    found: dict[str, dict[Leaf, Constraint]] = {}
    for rule in rules:
        for leaf in leaves(rule):
            found.setdefault(leaf.fact, {})[_key(leaf)] = leaf
    return Space({name: _axis(tuple(each.values()), vocabulary) for name, each in sorted(found.items())})


def both(one: Box, other: Box) -> Box | None:
    """What lies in both boxes; None where nothing does."""
    found = dict(one)
    for name, cells in other.items():
        shared = cells & found.get(name, cells)
        if not shared:
            return None
        found[name] = shared
    return found


def cross(one: Sequence[Box], other: Sequence[Box]) -> list[Box]:
    """What lies in both regions.

    Raises:
        TooLarge: it falls into too many boxes.
    """
    if len(one) * len(other) > MOST_BOXES * 20:
        raise TooLarge
    return _check(_without_copies([box for a in one for b in other if (box := both(a, b)) is not None]))


def _without_copies(region: list[Box]) -> list[Box]:
    return list({frozenset(box.items()): box for box in region}.values())


def _check(region: list[Box]) -> list[Box]:
    if len(region) > MOST_BOXES:
        raise TooLarge
    return region


def _key(leaf: Constraint) -> Leaf:
    return leaf.fact, leaf.operator, leaf.values


def _axis(found: tuple[Constraint, ...], vocabulary: Vocabulary) -> Axis:
    operand = found[0].operand
    tests = [comparison(leaf.operand, leaf.operator, leaf.values, vocabulary) for leaf in found]
    judged = ((point, tuple(test(point.value) for test in tests)) for point in points(operand, found, vocabulary))
    # A value about which nothing is known is no value of this operand.
    cells = distinct(((point, truths) for point, truths in judged if set(truths) != {None}), is_ordered(operand))
    if not cells:
        raise TooLarge
    truths = {_key(leaf): (_bits(cells, index, True), _bits(cells, index, False)) for index, leaf in enumerate(found)}
    return Axis(operand, tuple(point for point, _ in cells), truths)


def _bits(cells: Sequence[tuple[Point, Truths]], index: int, wanted: bool) -> int:
    return sum(1 << cell for cell, (_, truths) in enumerate(cells) if truths[index] is wanted)
