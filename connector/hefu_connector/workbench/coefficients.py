"""A model as a table that people keep: coefficients of a linear or logistic score, or the points of a scorecard.

Coefficients: a line a feature, ``feature,weight,lower,upper`` with ``unit``, ``mean`` and ``scale`` where there are
some (of a weight that is for (x - mean) / scale), and a line ``(intercept),-1.5``. A feature ``age*income`` is the
product of two or three that have lines of their own.

Points: a line a class of a characteristic, ``feature,from,to,points`` (from at least, below to; empty where open) or
``feature,value,points``, and a line ``(base)`` with points. A record has 1 in the class that it is in and 0 in all
others.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import zip_longest
from typing import NoReturn

from hefu.errors import Malformed
from hefu_policies.reading import Place, write_decimal

from hefu_connector.computing import derived
from hefu_connector.computing.model import MOST_FEATURES, Feature, Model
from hefu_connector.workbench import models

INTERCEPT, BASE = "(intercept)", "(base)"
LARGEST_TABLE = 1 << 20  # bytes
_WEIGHTS = ("feature", "weight", "lower", "upper")
_HEADINGS = "feature,weight,lower,upper; or feature,from,to,points; or feature,value,points"


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the table, by heading."""

    number: int
    cells: Mapping[str, str]

    def text(self, name: str) -> str:
        return self.cells.get(name, "").strip()

    def decimal(self, name: str, default: str = "") -> Decimal:
        try:
            return Place(self.text(name) or default, name).decimal()
        except Malformed:
            self.refuse(f"a decimal under {name}, such as 12.5")

    def feature(self, name: str, unit: str, lower: Decimal, upper: Decimal) -> Feature:
        """A feature; what is wrong with it is told with the line."""
        try:
            return Feature(name, unit[: derived.LONGEST], lower, upper)
        except Malformed:
            self.refuse("a name of letters, digits and underscores, no digit first, and a lower below its upper")

    def check_said(self, said: str) -> None:
        """Check that what a feature follows from can be said in its unit."""
        if len(said) > derived.LONGEST or derived.formula(said) is None:
            self.refuse(f"shorter names or values: {derived.LONGEST} letters hold what the feature is")

    def refuse(self, expected: str) -> NoReturn:
        raise Malformed("model.table", line=self.number, expected=expected)


def read(text: str, answer: str, step: Decimal) -> Model:
    """The model of a table.

    Raises:
        Malformed: the table is of neither form, or its numbers are none that can be served.
    """
    lines = [*_lines(text)]
    headings = set(lines[0].cells) if lines else set()
    if set(_WEIGHTS) <= headings:
        ranges = {each.text("feature"): each for each in lines}
        parts, base = (
            [_weighted(each, ranges) for each in _but(lines, INTERCEPT)],
            _constant(lines, INTERCEPT, "weight"),
        )
        shift = sum((each for _, _, each in parts), Decimal(0))
        return models.make([each for each, _, _ in parts], [each for _, each, _ in parts], base + shift, answer, step)
    if {"feature", "points"} <= headings and ({"from", "to"} <= headings or "value" in headings):
        counted: Counter[str] = Counter()
        classes = [_class(each, counted) for each in _but(lines, BASE)]
        base = _constant(lines, BASE, "points")
        return models.make([each for each, _ in classes], [each for _, each in classes], base, answer, step)
    raise Malformed("model.heading", expected=_HEADINGS)


def _lines(text: str) -> Iterator[_Line]:
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    headings = [each.strip().lower() for each in next(reader, [])]
    for cells in reader:
        if any(each.strip() for each in cells):
            line = _Line(reader.line_num, dict(zip_longest(headings, cells[: len(headings)], fillvalue="")))
            if len(cells) > len(headings):
                line.refuse(f"{len(headings)} cells")
            if reader.line_num > MOST_FEATURES + 100:
                line.refuse(f"no more than {MOST_FEATURES} features")
            yield line


def _but(lines: list[_Line], constant: str) -> list[_Line]:
    return [each for each in lines if each.text("feature") != constant]


def _constant(lines: list[_Line], name: str, under: str) -> Decimal:
    found = [each for each in lines if each.text("feature") == name]
    for each in found[1:]:
        each.refuse(f"one line {name}")
    return found[0].decimal(under) if found else Decimal(0)


def _weighted(line: _Line, known: Mapping[str, _Line]) -> tuple[Feature, Decimal, Decimal]:
    """A feature, its weight, and what its mean adds to the intercept."""
    factors = [each.strip() for each in line.text("feature").split("*")]
    mean, scale = line.decimal("mean", "0"), line.decimal("scale", "1")
    if scale <= 0:
        line.refuse("a scale above 0")
    weight = line.decimal("weight") / scale
    if len(factors) > 1:
        return _product(line, factors, known), weight, -weight * mean
    found = line.feature(factors[0], line.text("unit"), line.decimal("lower"), line.decimal("upper"))
    return found, weight, -weight * mean


def _product(line: _Line, factors: list[str], known: Mapping[str, _Line]) -> Feature:
    """A product of features of the table; its range follows from theirs where none is written."""
    line.check_said(derived.product(factors))
    lower, upper = Decimal(1), Decimal(1)
    for each in factors:
        one = known.get(each) or line.refuse(f"factors that have a line of their own; {each} has none")
        corners = [end * one.decimal(name) for end in (lower, upper) for name in ("lower", "upper")]
        lower, upper = min(corners), max(corners)
    if line.text("lower") or line.text("upper"):
        lower, upper = line.decimal("lower"), line.decimal("upper")
    return line.feature("_x_".join(factors), derived.product(factors), lower, upper)


def _class(line: _Line, counted: Counter[str]) -> tuple[Feature, Decimal]:
    """A class of a characteristic as a feature that is 1 or 0; its unit says which class it is."""
    name = line.text("feature")
    counted[name] += 1
    if "value" in line.cells:
        said = derived.equals(name, line.text("value") or line.refuse("a value"))
    else:
        ends = [(each, line.text(each)) for each in ("from", "to")]
        least, below = (write_decimal(line.decimal(each)) if text else "" for each, text in ends)
        said = derived.between(name, least, below)
    line.check_said(said)
    return line.feature(f"{name}_{counted[name]}", said, Decimal(0), Decimal(1)), line.decimal("points")
