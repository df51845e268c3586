"""Questions of the demo, each with the same question in plain SQL over all rows: what nobody outside a demo can ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any

from hefu_space.data import Extract, Truth
from hefu_space.products import Product, Texts

Cells = Sequence[Sequence[str | None]]
# A cell of a sound answer is further from the truth than its 95 % half width in one case of twenty. Noise of a Laplace
# mechanism is further than five half widths in one of three million, so a demo that sees it is broken, not unlucky.
_FAR = 5


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its truth.

    Attributes:
        sql: in Hefu's dialect; ``{table}`` stands for the product.
        truth: in SQLite's, over the table ``data``; key columns first, then the values.
        keys: how many columns of the answer are keys.
        by_place: the truth's key is the number of the row, as for the bins of a histogram.
    """

    title: Texts
    sql: str
    epsilon: str
    truth: str
    keys: int = 0
    by_place: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One noised cell beside the truth.

    Attributes:
        value: None where the cell was withheld, its noised group being too small.
        half_width: of the 95 % interval.
        true: what a demo alone can know; None where there is no such row and so no mean.
    """

    label: str
    value: Decimal | None
    half_width: Decimal | None
    true: Decimal | None

    @property
    def inside(self) -> bool:
        """Whether the truth is inside the interval."""
        return self._within(1)

    @property
    def plausible(self) -> bool:
        """Whether the answer can be sound at all."""
        return self._within(_FAR)

    def _within(self, widths: int) -> bool:
        if self.value is None or self.true is None or self.half_width is None:
            return True
        return abs(self.value - self.true) <= widths * self.half_width + Decimal("0.000001")


COUNT = "SELECT COUNT(*) AS n FROM {table}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A question that must not be answered.

    Attributes:
        flags: further words of ``hefu compute query``.
    """

    title: Texts
    sql: str
    epsilon: str = "0.1"
    flags: tuple[str, ...] = ()


def refusals(product: Product) -> list[Refusal]:
    """What a product's contract does not allow; the first is refused by the consumer's own connector already."""
    found = [
        Refusal(("rows", "原始行"), "SELECT * FROM {table}"),
        Refusal(("more ε at once than allowed", "单次 ε 超限"), COUNT, "3"),
        Refusal(("a commercial purpose", "商业目的"), COUNT, flags=("--purpose", "dpv:CommercialPurpose")),
    ]
    outside = [each.name for each in product.columns if each.bounds and each.name not in product.terms.columns]
    for name in outside[:1]:
        query = f'SELECT AVG("{name}") AS mean FROM {{table}}'  # noqa: S608 - read by a positive list
        found.append(Refusal(("a column outside the contract", "合约外的列"), query))
    return found


def compare(question: Question, answer: Any, extracts: Sequence[Extract], numbers: Sequence[str]) -> list[Cell]:
    """The cells of an answer (a document of ``hefu compute query --json``) beside the truth over all extracts."""
    truth = Truth(extracts, numbers)
    keys = 1 if question.by_place else question.keys
    known = {tuple(map(str, row[:keys])): row[keys:] for row in truth.ask(question.truth)}
    truth.close()
    cells = []
    values = answer["headings"][question.keys :]
    for place, (row, widths) in enumerate(zip(answer["rows"], answer["half_widths"], strict=True)):
        key = (str(place),) if question.by_place else tuple(str(each) for each in row[: question.keys])
        found = known.get(key, (0,) * len(values))
        labels = [str(each) for each in row[: question.keys]]
        for at, heading in enumerate(values):
            label = ", ".join([*labels, heading] if len(values) > 1 else labels)
            value, width = row[question.keys + at], widths[question.keys + at]
            cells.append(Cell(label, _decimal(value), _decimal(width), _decimal(found[at])))
    return cells


# SQLite knows no median: the value in the middle of each group, by its place.
_MEDIANS = """
SELECT '[' || low || ',' || (low + 6) || ')', most, MAX(CASE WHEN place = (most + 1) / 2 THEN distance END) FROM (
  SELECT low, distance, COUNT(*) OVER (PARTITION BY low) AS most,
         ROW_NUMBER() OVER (PARTITION BY low ORDER BY distance) AS place
  FROM (SELECT CAST(hour AS INTEGER) / 6 * 6 AS low, distance FROM data)
) GROUP BY low, most"""


def tumour_questions() -> list[Question]:
    """What a researcher asks each hospital."""
    return [
        Question(
            ("How many samples have which diagnosis?", "各诊断有多少样本？"),
            "SELECT diagnosis, COUNT(*) AS samples FROM {table} GROUP BY diagnosis",
            "0.5",
            "SELECT diagnosis, COUNT(*) FROM data GROUP BY 1",
            keys=1,
        ),
        Question(
            ("What is the mean radius of malignant samples (µm)?", "恶性样本的平均半径是多少（µm）？"),
            "SELECT AVG(radius) AS mean_radius FROM {table} WHERE diagnosis = 'malignant'",
            "1",
            "SELECT AVG(radius) FROM data WHERE diagnosis = 'malignant'",
        ),
        Question(
            (
                "How round are large and small tumours? (area ÷ radius², by size)",
                "大、小肿瘤有多圆？（面积 ÷ 半径²，按大小）",
            ),
            "SELECT CASE WHEN radius >= 15 THEN 'large' ELSE 'small' END AS size, COUNT(*) AS samples, "
            "AVG(CLAMP(ROUND(area / (radius * radius), 2), 2, 4)) AS roundness FROM {table} GROUP BY size",
            "1",
            "SELECT CASE WHEN radius >= 15 THEN 'large' ELSE 'small' END, COUNT(*), AVG(area / (radius * radius)) "
            "FROM data GROUP BY 1",
            keys=1,
        ),
        Question(
            ("How are the radii distributed?", "半径如何分布？"),
            "SELECT HISTOGRAM(radius, 5) AS samples FROM {table}",
            "0.5",
            "SELECT CAST((MAX(MIN(radius, 29.9999), 5) - 5) / 5 AS INTEGER), COUNT(*) FROM data GROUP BY 1",
            keys=1,
            by_place=True,
        ),
    ]


def flight_questions() -> list[Question]:
    """What a researcher asks each airport."""
    return [
        Question(
            ("How many flights departed in the evening, 17 to 20 h?", "傍晚 17 至 20 时离港多少航班？"),
            "SELECT COUNT(*) AS departures FROM {table} WHERE hour BETWEEN 17 AND 20",
            "2",
            "SELECT COUNT(*) FROM data WHERE CAST(hour AS INTEGER) BETWEEN 17 AND 20",
        ),
        Question(
            (
                "What is the mean delay (min; delays beyond -30 and 180 count as those)?",
                "平均延误多少分钟（截断于 -30 与 180）？",
            ),
            "SELECT AVG(departure_delay) AS mean_delay FROM {table}",
            "2",
            "SELECT AVG(MAX(MIN(departure_delay, 180), -30)) FROM data WHERE departure_delay IS NOT NULL",
        ),
        Question(
            ("How far do flights go, by time of day?", "不同时段的航班飞多远？"),
            "SELECT BIN(hour, 6) AS hours, COUNT(*) AS departures, MEDIAN(distance) AS usual "
            "FROM {table} GROUP BY hours",
            "2",
            _MEDIANS,
            keys=1,
        ),
    ]


def carrier_question(*, in_place: bool = False) -> Question:
    """One with small groups: they are withheld, judged on a noised count.

    Args:
        in_place: the provider's database counts it by itself.
    """
    by = (" Counted by PostgreSQL itself", "（由 PostgreSQL 就地计数）") if in_place else ("", "")
    return Question(
        (f"Which airline departs how often?{by[0]}", f"各航司离港多少次？{by[1]}"),
        "SELECT carrier, COUNT(*) AS departures FROM {table} GROUP BY carrier",
        "2",
        "SELECT carrier, COUNT(*) FROM data GROUP BY 1",
        keys=1,
    )


def joint_question() -> Question:
    """A total over all hospitals, of which nobody is told a hospital's part."""
    return Question(
        ("One total over all hospitals, and nobody sees a hospital's part: samples and their radii (µm)",
         "所有医院的一个合计，任何人均看不到单个医院的部分：样本数与半径之和（µm）"),
        "SELECT diagnosis, COUNT(*) AS samples, SUM(radius) AS radii FROM data GROUP BY diagnosis",
        "1",
        "SELECT diagnosis, COUNT(*), SUM(radius) FROM data GROUP BY 1",
        keys=1,
    )  # fmt: skip


def together_questions(source: str) -> list[Question]:
    """What all providers of a source are asked at once, their answers combined."""
    if source == "tumours":
        return [
            Question(
                ("All hospitals together: samples, and their mean texture", "所有医院合计：样本数与平均纹理"),
                "SELECT diagnosis, COUNT(*) AS samples, AVG(texture) AS mean_texture FROM data GROUP BY diagnosis",
                "1",
                "SELECT diagnosis, COUNT(*), AVG(texture) FROM data GROUP BY 1",
                keys=1,
            )
        ]
    return [
        Question(
            ("All airports together: flights of three airlines, and their mean distance (mi)",
             "所有机场合计：三家航司的航班数与平均航程（英里）"),
            "SELECT COUNT(*) AS departures, AVG(distance) AS mean_distance FROM data "
            "WHERE carrier IN ('AA', 'DL', 'UA')",
            "2",
            "SELECT COUNT(*), AVG(MAX(MIN(distance, 5000), 0)) FROM data WHERE carrier IN ('AA', 'DL', 'UA')",
        )
    ]  # fmt: skip


def general_questions(product: Product) -> list[Question]:
    """Questions that any table allows: a count, one mean, one distribution. Column names are plain words here."""
    count = Question(
        ("How many rows are there?", "共有多少行？"),
        "SELECT COUNT(*) AS n FROM {table}",
        "0.5",
        "SELECT COUNT(*) FROM data",
    )
    means = (_mean(each.name, *each.bounds) for each in product.columns if each.bounds)
    groups = (_groups(each.name) for each in product.columns if each.categories)
    return [count, *islice(means, 1), *islice(groups, 1)]


def _mean(name: str, lower: str, upper: str, _: str) -> Question:
    return Question(
        (f"What is the mean of {name}?", f"{name} 的平均值是多少？"),
        f'SELECT AVG("{name}") AS mean FROM {{table}}',  # noqa: S608 - read by a positive list, never by a database
        "1",
        f'SELECT AVG(MAX(MIN("{name}", {upper}), {lower})) FROM data WHERE "{name}" IS NOT NULL',  # noqa: S608
    )


def _groups(name: str) -> Question:
    return Question(
        (f"How are the rows distributed over {name}?", f"各行在 {name} 上如何分布？"),
        f'SELECT "{name}", COUNT(*) AS n FROM {{table}} GROUP BY "{name}"',  # noqa: S608 - as above
        "0.5",
        f'SELECT "{name}", COUNT(*) FROM data GROUP BY 1',  # noqa: S608
        keys=1,
    )


def _decimal(text: object) -> Decimal | None:
    return None if text is None else Decimal(str(text))
