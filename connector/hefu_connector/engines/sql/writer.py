"""Numbers and conditions of a row, in the words of an engine. Every constant is bound, and nothing can fail on a value.

A number that is looked at more than once is worked out once, in a stage of its own, so that a statement does not grow
faster than the plan.
"""

from __future__ import annotations

from hefu_connector.computing import predicates as p
from hefu_connector.computing import steps as s
from hefu_connector.computing.expressions import Column, Expression
from hefu_connector.engines.shape import Shape
from hefu_connector.engines.sql.words import Binder, Words

_PARTS = {"weekday": "isodow"}


class Writer:
    """Writes the numbers and conditions of one shape; what it names stands in a stage before what uses it."""

    def __init__(self, shape: Shape, words: Words) -> None:
        self.words = words
        self.binder = Binder(words)
        self._shape = shape
        self._columns = {name: f"c{index}" for index, name in enumerate(shape.columns)}
        self._names: dict[s.Steps, str] = {}
        self._stages: list[str] = []

    @property
    def last(self) -> str:
        """The stage in which everything named so far stands."""
        return f"s{len(self._stages) - 1}" if self._stages else "stepped"

    def stages(self) -> str:
        """The stages, to stand in a WITH after ``stepped``."""
        before = ["stepped", *(f"s{index}" for index in range(len(self._stages)))]
        found = enumerate(zip(before, self._stages, strict=False))
        fence = self.words.fence
        return "".join(f"s{index} AS (SELECT *, {sql} FROM {last}{fence}), " for index, (last, sql) in found)  # noqa: S608

    def column(self, name: str) -> str:
        """The column of a name, of its declared type."""
        return self._columns[name]

    def stored(self, name: str) -> str:
        """A column's steps on its grid."""
        # greatest() and least() skip NULL, so NULL is kept apart; the outer clamp holds whatever rounding did.
        column, grid, bind = self._columns[name], self._shape.grids[name], self.binder.bind
        least, most = bind(grid.least, "integer"), bind(grid.most, "integer")
        if self._shape.columns[name] == "integer" and grid.granularity == 1:  # no double: the bounds are within 2^53
            return f"CASE WHEN {column} IS NOT NULL THEN least(greatest({column}, {least}), {most}) END"
        low, high, step = (bind(float(each), "decimal") for each in (grid.lower, grid.upper, grid.granularity))
        double, whole = self.words.types["decimal"], self.words.types["integer"]
        inside = f"least(greatest(CAST({column} AS {double}), {low}), {high})"
        ratio = self.words.rounded(inside, step, grid)
        return f"CASE WHEN {column} IS NOT NULL THEN least(greatest(CAST({ratio} AS {whole}), {least}), {most}) END"

    def name(self, sql: str) -> str:
        """A name for an expression, worked out in a stage of its own."""
        name = f"e{len(self._stages)}"
        self._stages.append(f"{sql} AS {name}")
        return name

    def named(self, steps: s.Steps) -> str:
        """A number that may be looked at more than once."""
        if isinstance(steps, s.Stored):
            return self.number(steps)
        if steps not in self._names:
            self._names[steps] = self.name(self.number(steps))
        return self._names[steps]

    def found(self, expression: Expression) -> str:
        """What is absent where an expression is; a column may be of any type."""
        if isinstance(expression, Column):
            return self._columns[expression.name]
        return self.named(self._shape.lowered(expression).steps)

    def number(self, steps: s.Steps) -> str:
        """A whole number of a row; NULL where it is absent."""
        match steps:
            case s.Stored() | s.PartOf() | s.Whole():
                return self._leaf(steps)
            case s.Binary(operator, left, right):
                # The right side first: it may name what the left one uses too.
                other = self.number(right)
                if operator == "/":
                    return f"({self._divided(self.number(left), f'nullif({other}, 0)')})"
                return f"({self.number(left)} {operator} {other})"
            case s.Magnitude(item):
                return f"abs({self.number(item)})"
            case s.Halved(item):
                twice = self.named(item)
                return f"({twice} - {self._divided(twice, '2')})"
            case s.Limited(item, least, most):
                return self._limited(self.named(item), least, most)
            case s.Chosen(whens, otherwise):
                cases = " ".join(f"WHEN {self.condition(when)} THEN {self.number(then)}" for when, then in whens)
                rest = "" if otherwise is None else f" ELSE {self.number(otherwise)}"
                return f"CASE {cases}{rest} END"

    def condition(self, predicate: p.Predicate) -> str:
        """A condition on a row: true, false, or NULL where it is unknown."""
        match predicate:
            case p.Not(item):
                return f"(NOT {self.condition(item)})"
            case p.All(items):
                return f"({' AND '.join(self.condition(each) for each in items)})"
            case p.Any(items):
                return f"({' OR '.join(self.condition(each) for each in items)})"
            case p.Relation():
                left, right = s.related(predicate, self._shape.grids)
                return f"({self.number(left.steps)} {predicate.operator} {self.number(right.steps)})"
            case _:
                return f"({self._columns[predicate.column]} {self._test(predicate)})"

    def _test(self, term: p.Compare | p.In | p.IsNull | p.Between) -> str:
        match term:
            case p.IsNull():
                return "IS NULL"
            case p.Compare(_, operator, value):
                return f"{operator} {self._literal(value)}"
            case p.Between(_, low, high):
                return f"BETWEEN {self._literal(low)} AND {self._literal(high)}"
            case p.In(_, values):
                return f"IN ({', '.join(self._literal(each) for each in values)})"

    def _leaf(self, steps: s.Stored | s.PartOf | s.Whole) -> str:
        if isinstance(steps, s.Whole):
            return self.binder.bind(steps.value, "integer")
        column = self._columns[steps.column]
        if isinstance(steps, s.Stored):
            return f"{column}_steps"
        return self.words.part.format(part=_PARTS.get(steps.part, steps.part), column=column)

    def _divided(self, left: str, right: str) -> str:
        return self.words.divided.format(left=left, right=right)

    def _limited(self, name: str, least: int, most: int) -> str:
        low, high = self.binder.bind(least, "integer"), self.binder.bind(most, "integer")
        return f"CASE WHEN {name} < {low} THEN {low} WHEN {name} > {high} THEN {high} ELSE {name} END"

    def _literal(self, literal: p.Literal) -> str:
        return self.binder.bind(literal.text, literal.type)
