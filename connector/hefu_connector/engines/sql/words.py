"""All in which engines differ, for one writer: what it takes to ask another engine for the same whole numbers.

An engine's words must mean exactly what each attribute says, on any value, so that nothing can fail on one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hefu_connector.computing.steps import Grid
from hefu_connector.engines.shape import Key

Value = str | int | float | list[str] | list[int]
Valued = tuple[str, str]  # an expression, and the declared type of what it is


@dataclass(frozen=True, slots=True)
class Words:
    """How one engine says what differs. Templates are filled by `str.format`; what fills them is SQL of ours.

    Attributes:
        types: what each declared type is in this engine.
        parameter: a bound constant; ``{name}``, ``{type}``.
        quote: an identifier that is read literally.
        typed: a column, by its name, as a value of its declared type; NULL where it is none, or not finite.
        unit: the same of the column of the privacy unit; NULL where two units could be taken for one.
        rounded: the quotient of two numbers of the type ``decimal``, within ±2^53, to the nearest whole one, halves
            away from zero; of a number within the bounds of a grid, which may be NULL, the grid's step, and the grid.
        divided: the quotient of two whole numbers, towards zero; ``{left}``, ``{right}``.
        part: a part of a date or timestamp as a whole number; ``{part}`` of `date_part` in PostgreSQL, ``{column}``.
        flag: 1 where a condition is true, else 0, as a whole number; ``{condition}``, which is never unknown.
        declared: what can be joined as the declared values of a key, with ``value`` and ``position``, each value once;
            of the key's place, the key, and the type of its column.
        total: the exact sum of whole numbers that may be NULL, 0 where there are none; ``{value}``.
        histogram: how often each of so many bins is found, the bins being whole numbers from 0 or NULL: a mapping from
            bin to count, or a list, as `counts` reads it.
        order: what rows are sorted by so that their order is as good as random and hangs on their values, each given
            with its declared type, and the salt.
        qualifies: there is QUALIFY.
        fence: what a stage ends with, so that what it names is worked out once; empty where that needs nothing.
        once: the same for the stage that types columns.
    """

    types: Mapping[str, str]
    parameter: str
    quote: Callable[[str], str]
    typed: Callable[[str, str], str]
    unit: Callable[[str, str], str]
    rounded: Callable[[str, str, Grid], str]
    divided: str
    part: str
    flag: str
    declared: Callable[[int, Key, str, Binder], str]
    total: str
    histogram: Callable[[str, int], str]
    order: Callable[[Sequence[Valued], str], str]
    qualifies: bool = True
    fence: str = ""
    once: str = ""


@dataclass(slots=True)
class Binder:
    """Collects constants; each stands in the SQL as the name of a parameter."""

    words: Words
    values: dict[str, Value] = field(default_factory=dict)

    def bind(self, value: Value, kind: str) -> str:
        """The parameter for a value of a declared type, cast to that type of the engine."""
        return self.bind_as(value, self.words.types[kind])

    def bind_as(self, value: Value, type_: str) -> str:
        """The same with a type of the engine."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return self.words.parameter.format(name=name, type=type_)


def counts(found: object, width: int) -> list[int]:
    """What a `Words.histogram` gave, as a list of so many counts."""
    made = [0] * width
    if isinstance(found, Mapping):
        for place, count in found.items():
            made[int(place)] = int(count)
    elif isinstance(found, Sequence):
        made[: len(found)] = [int(each) for each in found]
    return made  # none where every value is absent
