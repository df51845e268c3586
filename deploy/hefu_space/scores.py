"""The demo's chapter of scores: a hospital's model and an institute's samples, neither seen by the other.

The model is a logistic regression of the diagnosis on four measures, fitted beforehand on the second hospital's samples
alone; the institute's samples are those of the third, under no name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.util import find_spec
from itertools import product
from pathlib import Path

from hefu_space.data import Extract

PURPOSE, OFFER = "dpv:ScientificResearch", "scores"
_BLOCK = 4096  # records that are charged at once
_INTERCEPT = Decimal("-22.603237")


@dataclass(frozen=True, slots=True)
class Measure:
    """A feature: its weight, and the range that its provider declares."""

    name: str
    unit: str
    weight: Decimal
    lower: str
    upper: str


MEASURES = (
    Measure("radius", "µm", Decimal("0.758464"), "5", "30"),
    Measure("texture", "", Decimal("0.236509"), "5", "45"),
    Measure("smoothness", "", Decimal("51.667459"), "0.04", "0.2"),
    Measure("concavity", "", Decimal("19.569426"), "0", "0.5"),
)


def possible() -> bool:
    """Whether the library for ciphertexts is installed."""
    return find_spec("tenseal") is not None


def write_table(path: Path) -> None:
    """The coefficients as `hefu model make` reads them."""
    lines = [f"{each.name},{each.weight},{each.lower},{each.upper},{each.unit}" for each in MEASURES]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["feature,weight,lower,upper,unit", f"(intercept),{_INTERCEPT},,,", *lines, ""]), "utf-8")


def write_records(extract: Extract, path: Path) -> None:
    """The institute's samples: the measures and a number, and no diagnosis."""
    columns = [extract.column(each.name) for each in MEASURES]
    rows = (f"{at},{','.join(row)}" for at, row in enumerate(zip(*columns, strict=True), 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([f"sample,{','.join(each.name for each in MEASURES)}", *rows, ""]), "utf-8")


def product_text(id_: str, source: str, made: Mapping[str, object]) -> str:
    """The product file.

    Args:
        made: what `hefu model make` said of the model.
    """
    until = (datetime.now(UTC) + timedelta(days=180)).strftime("%Y-%m-%dT00:00:00Z")
    columns = [
        f"  - {{name: {each.name}, type: decimal, {f'unit: {each.unit}, ' if each.unit else ''}bounds: "
        f"{{lower: {each.lower}, upper: {each.upper}, granularity: 0.00001}}}}"
        for each in MEASURES
    ]
    return "\n".join([
        "apiVersion: hefu/v1", "kind: Model", f"product: {id_}",
        'title: {en: "Malignancy of a breast tumour, a score", zh: "乳腺肿瘤恶性程度评分"}',
        'description: {en: "Log-odds of malignancy by four measures.", zh: "由四项指标计算的恶性对数几率。"}',
        "keywords: [health, oncology, 医疗]", f"source: {source}",
        "model:", *(f"  {name}: {made[name]}" for name in ("digest", "answer", "step", "suite", "tolerance")),
        "columns:", *columns,
        "privacy:", "  unit: row", "  max_contribution: 1", f"  lifetime: {{epsilon: 0, releases: {100 * _BLOCK}}}",
        "governance: {security_grade: 2, personal_data: true, important_data: false, legal_basis: consent, "
        "cross_border: false}",
        "offers:", f"  - name: {OFFER}",
        f'    policy: {{template: encrypted-scoring, purpose: {PURPOSE}, until: "{until}"}}',
        f"    budget: {{epsilon: 0, releases: {2 * _BLOCK}}}", "    visibility: public", "",
    ])  # fmt: skip


def plain(extract: Extract) -> list[Decimal]:
    """What the model says in the clear; a demo alone knows it."""
    columns = [extract.column(each.name) for each in MEASURES]
    weights = [each.weight for each in MEASURES]
    return [
        _INTERCEPT + sum((w * Decimal(v) for w, v in zip(weights, row, strict=True)), Decimal(0))
        for row in zip(*columns, strict=True)
    ]


def area(scores: Sequence[Decimal], malignant: Sequence[bool]) -> Decimal:
    """The area under the curve: how often a malignant sample scores above a benign one; ties count half."""
    ill = [score for score, is_so in zip(scores, malignant, strict=True) if is_so]
    well = [score for score, is_so in zip(scores, malignant, strict=True) if not is_so]
    won = sum((Decimal(one > other) + Decimal(one == other) / 2 for one, other in product(ill, well)), Decimal(0))
    return won / (len(ill) * len(well))
