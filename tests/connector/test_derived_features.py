"""Scorecards and small polynomials: what follows from a record's columns is computed where the record is."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path

import pytest
from hefu.errors import Malformed
from hefu_connector.computing import derived as formulas
from hefu_connector.computing.model import IDENTITY, Model
from hefu_connector.workbench import coefficients, derived, models
from hefu_connector.workbench.records import Records
from hefu_policies.goods.resource import Bounds

STEP = Decimal("0.01")
SCORECARD = "feature,from,to,points\n(base),,,600\nage,,25,-20\nage,25,60,10.5\nage,60,,5\n"
HOMES = "feature,value,points\n(base),,1\nhome,rent,3\nhome,own,-2\n"
POLYNOMIAL = """feature,weight,lower,upper,unit
(intercept),1,,,
age,0.5,-1,2,a
income,-0.25,0,10,k
age*income,0.125,,,
age * age,2,0,4,
"""


def scores(model: Model, table: Records) -> list[float]:
    width, found = len(model.features), []
    for piece in table.pieces():
        for at in range(len(piece.others)):
            row = piece.values[at * width : (at + 1) * width]
            found.append(float(model.intercept) + sum(float(w) * v for w, v in zip(model.weights, row, strict=True)))
    return found


def file(folder: Path, text: str) -> Path:
    path = folder / "records.csv"
    path.write_text(text)
    return path


def test_each_record_is_given_the_points_of_its_class(tmp_path: Path) -> None:
    card = coefficients.read(SCORECARD, IDENTITY, STEP)
    table = derived.of(file(tmp_path, "name,age\na,24.9\nb,25\nc,59\nd,60\n"), card.features)
    assert scores(card, table) == [580, 610.5, 610.5, 605]
    assert table.others == ("name", "age")
    assert [row[0] for piece in table.pieces() for row in piece.others] == ["a", "b", "c", "d"]
    assert scores(card, derived.of({"age": [24.9, 25, 59, 60]}, card.features)) == [580, 610.5, 610.5, 605]
    homes = coefficients.read(HOMES, IDENTITY, STEP)
    assert scores(homes, derived.of([{"home": "own"}, {"home": "rent"}], homes.features)) == [-1, 4]
    own = derived.of(file(tmp_path, "age_1,age_2,age_3\n0,0,1\n"), card.features)  # who has the classes gives them
    assert scores(card, own) == [605]


@pytest.mark.parametrize("cell", ["", "x", "nan", "boat"])
def test_a_record_in_no_class_or_in_several_is_missing_and_not_scored_as_nothing(tmp_path: Path, cell: str) -> None:
    for text, name in ((SCORECARD, "age"), (HOMES, "home")):
        card = coefficients.read(text, IDENTITY, STEP)
        assert all(map(math.isnan, scores(card, derived.of(file(tmp_path, f"{name},b\n{cell},1\n"), card.features))))
    double = coefficients.read("feature,from,to,points\nage,,30,1\nage,20,,2\n", IDENTITY, STEP)
    assert math.isnan(scores(double, derived.of({"age": [25]}, double.features))[0])


def test_a_small_polynomial_is_a_linear_score_of_products(tmp_path: Path) -> None:
    made = coefficients.read(POLYNOMIAL, IDENTITY, STEP)
    assert [(each.name, each.unit, each.lower, each.upper) for each in made.features[2:]] == [
        ("age_x_income", "age * income", Decimal(-10), Decimal(20)), ("age_x_age", "age * age", Decimal(0), Decimal(4)),
    ]  # fmt: skip
    rows = [(-1.0, 0.5), (2.0, 10.0), (0.25, 4.0)]
    wanted = [1 + 0.5 * a - 0.25 * i + 0.125 * a * i + 2 * a * a for a, i in rows]
    text = "age,income\n" + "".join(f"{a},{i}\n" for a, i in rows)
    assert scores(made, derived.of(file(tmp_path, text), made.features)) == pytest.approx(wanted, abs=1e-12)
    with pytest.raises(Malformed, match="age"):
        derived.of(file(tmp_path, "income\n1\n"), made.features)
    with pytest.raises(Malformed):
        derived.of({"age": [1, 2], "income": [1]}, made.features)
    for wrong in ("age*size,1,,\n", "age*age*age*age,1,,\n", "age*,1,,\n"):
        with pytest.raises(Malformed, match="Line 3"):
            coefficients.read("feature,weight,lower,upper\nage,1,0,1\n" + wrong, IDENTITY, STEP)


def test_a_unit_of_measure_is_no_formula_where_its_words_are_no_columns() -> None:
    for unit in ("", "a", "kCNY", "kg/m", "1 if", "1 if a", "1 if a < b", "a * b * c * d", "2 * a"):
        found = formulas.formula(unit)
        assert found is None or unit == "1 if a", unit
    force = models.features(["force"], {"force": (0, 9)}, {"force": "kg * m"})
    with pytest.raises(Malformed, match="force"):
        derived.of({"mass": [1.0]}, force)
    assert Bounds(force[0].lower, force[0].upper, Decimal(1))
