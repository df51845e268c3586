"""A resource, the asset: its public schema, whose privacy it protects, and how much may ever be lost.

The budget for life, the privacy unit and the neighbouring relation hang on the resource and hold over all products,
versions and agreements that use it. What is offered of it stands in `hefu_policies.goods.product`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from hefu.canonical import Json, Object

from hefu_policies.budget import Budget
from hefu_policies.goods.served import Served
from hefu_policies.reading import Place, plain, rows, unique, whole, write_decimal, wrong

TYPES = ("integer", "decimal", "text", "boolean", "date", "timestamp")
NUMERIC = ("integer", "decimal")
_UNITS = ("text", "integer")
ROW = "row"  # the privacy unit where every row stands for another unit
ADD_REMOVE = "add-remove"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
_INTEGER = re.compile(r"(?:0|-?[1-9][0-9]{0,18})\Z")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What values of a numeric column are clamped to, before anything is computed.

    Attributes:
        granularity: the step to which values are rounded; both bounds are multiples of it, so that sums are exact.
    """

    lower: Decimal
    upper: Decimal
    granularity: Decimal

    def __post_init__(self) -> None:
        if not all(each.is_finite() for each in (self.lower, self.upper, self.granularity)):
            wrong("bounds", "finite decimals")
        if self.granularity <= 0:
            wrong("bounds.granularity", "a decimal above 0")
        if self.lower >= self.upper:
            wrong("bounds", "a lower below its upper")
        if max(abs(self.lower), abs(self.upper)) / self.granularity >= 2**53:
            wrong("bounds", "bounds below 2^53 steps of the granularity")
        if self.lower % self.granularity or self.upper % self.granularity:
            wrong("bounds", "a lower and an upper that are multiples of the granularity")

    def body(self) -> Object:
        """``{lower, upper, granularity}`` as texts."""
        return {
            "lower": write_decimal(self.lower),
            "upper": write_decimal(self.upper),
            "granularity": write_decimal(self.granularity),
        }

    @classmethod
    def of(cls, body: Json, where: str = "bounds") -> Bounds:
        """Read what `body` wrote.

        Raises:
            Malformed: a member is missing, unknown or of a wrong form.
        """
        found = Place(body, where).members(("lower", "upper", "granularity"))
        return cls(found["lower"].decimal(), found["upper"].decimal(), found["granularity"].decimal())


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a resource's public schema.

    Attributes:
        type: one of `TYPES`.
        unit: of measure, empty where there is none.
        sensitivity: the provider's word for it, such as ``public`` or ``personal``.
        bounds: for integer and decimal columns that may be summed.
        categories: the values that are public group keys, in the order of any output; integers written as text.
        elements: the data elements of standards it follows: ``{standard, version, code}`` rows.
    """

    name: str
    type: str
    unit: str = ""
    sensitivity: str = ""
    nullable: bool = False
    bounds: Bounds | None = None
    categories: tuple[str, ...] | None = None
    description: Mapping[str, str] = field(default_factory=dict)
    elements: tuple[Object, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.match(self.name) or self.name.lower() == ROW:
            wrong("column name", f"1 to 63 letters, digits and underscores, no digit first, and not {ROW}")
        where = f"column {self.name}"
        if self.type not in TYPES:
            wrong(f"{where}.type", "one of " + ", ".join(TYPES))
        if self.bounds is not None:
            self._check_bounds(self.bounds, where)
        if self.categories is not None:
            _check_categories(self.categories, self.type, f"{where}.categories")

    def _check_bounds(self, bounds: Bounds, where: str) -> None:
        if self.type not in NUMERIC:
            wrong(f"{where}.bounds", "null: only integer and decimal columns have bounds")
        # Lower and upper are multiples of the granularity, so it alone decides whether all are integers.
        if self.type == "integer" and bounds.granularity % 1:
            wrong(f"{where}.bounds.granularity", "an integer, as the column's type is")

    def body(self) -> Object:
        """The column as it stands in a schema."""
        return {
            "name": self.name,
            "type": self.type,
            "unit": self.unit,
            "sensitivity": self.sensitivity,
            "nullable": self.nullable,
            "bounds": self.bounds.body() if self.bounds else None,
            "categories": None if self.categories is None else [*self.categories],
            "description": plain(self.description),
            "elements": [dict(each) for each in self.elements],
        }

    @classmethod
    def of(cls, body: Json, where: str = "column") -> Column:
        """Read what `body` wrote; raises as `Bounds.of`."""
        found = Place(body, where).members(
            ("name", "type", "unit", "sensitivity", "nullable", "bounds", "categories", "description", "elements")
        )
        bounds, categories = found["bounds"], found["categories"]
        return cls(
            name=found["name"].text(),
            type=found["type"].choice(*TYPES),
            unit=found["unit"].text(empty=True),
            sensitivity=found["sensitivity"].text(empty=True),
            nullable=found["nullable"].flag(),
            bounds=None if bounds.value is None else Bounds.of(bounds.value, bounds.where),
            categories=None if categories.value is None else categories.texts(least=1),
            description=found["description"].languages(empty=True),
            elements=rows(found["elements"], "standard", "version", "code"),
        )


@dataclass(frozen=True, slots=True)
class Privacy:
    """Whose privacy is protected, and how much may ever be lost.

    Attributes:
        unit: the column that names the privacy unit, or `ROW`.
        neighbouring: the neighbouring relation: one unit is added or removed.
        max_contribution: rows of one unit that any release reads, at most; the provider's word, never the request's.
        lifetime: the asset's total, over all products, versions and agreements.
        exclusive: no unit is in another participant's data too, by the provider's word: then a total over several
            moves by what it has here alone. Left out of bodies where it is not said, as before it could be.
    """

    unit: str
    max_contribution: int
    lifetime: Budget
    neighbouring: str = ADD_REMOVE
    exclusive: bool = False

    def __post_init__(self) -> None:
        if self.neighbouring != ADD_REMOVE:
            wrong("privacy.neighbouring", ADD_REMOVE)
        whole(self.max_contribution, "privacy.max_contribution", 1)
        if self.unit == ROW and self.max_contribution != 1:
            wrong("privacy.max_contribution", "1, as a row contributes itself once")
        self.lifetime.check_granted("privacy.lifetime", exact=True)

    def body(self) -> Object:
        """``{unit, neighbouring, max_contribution, lifetime}``, and ``exclusive`` where it is so."""
        body: Object = {
            "unit": self.unit,
            "neighbouring": self.neighbouring,
            "max_contribution": self.max_contribution,
            "lifetime": self.lifetime.body(),
        }
        return body | {"exclusive": True} if self.exclusive else body

    @classmethod
    def of(cls, body: Json, where: str = "privacy") -> Privacy:
        """Read what `body` wrote; raises as `Bounds.of`."""
        found = Place(body, where).members(("unit", "neighbouring", "max_contribution", "lifetime"), ("exclusive",))
        if "exclusive" in found and not found["exclusive"].flag():
            wrong(found["exclusive"].where, "true, or nothing: so that what is read is written the same way again")
        return cls(
            unit=found["unit"].text(),
            max_contribution=found["max_contribution"].integer(1),
            lifetime=Budget.of(found["lifetime"].value, found["lifetime"].where),
            neighbouring=found["neighbouring"].choice(ADD_REMOVE),
            exclusive="exclusive" in found,
        )


@dataclass(frozen=True, slots=True)
class Fact:
    """A published fact about data, marked as the provider's word or as released through the gate.

    Attributes:
        value: text; numbers are written as text too.
        basis: ``declared`` or ``released``.
    """

    name: str
    value: str
    basis: str = "declared"

    def __post_init__(self) -> None:
        if self.basis not in ("declared", "released"):
            wrong(f"fact {self.name}.basis", "declared or released")

    def body(self) -> Object:
        """``{name, value, basis}``."""
        return {"name": self.name, "value": self.value, "basis": self.basis}

    @classmethod
    def of(cls, body: Json, where: str = "fact") -> Fact:
        """Read what `body` wrote; raises as `Bounds.of`."""
        found = Place(body, where).members(("name", "value", "basis"))
        return cls(found["name"].text(), found["value"].text(1000), found["basis"].choice("declared", "released"))


@dataclass(frozen=True, slots=True)
class Resource:
    """An asset: one table, its public schema and the privacy it keeps for life; or a model, and what it is asked of.

    Attributes:
        model: None where it is a table. Else the schema's columns are the features, in the model's order, and their
            bounds the ranges that records must be in. Left out of bodies where it is None, as before there was one.
    """

    id: str
    schema: tuple[Column, ...]
    privacy: Privacy
    facts: tuple[Fact, ...] = ()
    model: Served | None = None

    def __post_init__(self) -> None:
        where = f"resource {self.id}.schema"
        if not self.schema:
            wrong(where, "at least one column")
        # Databases read names in either case; two columns that differ in case only are one name.
        unique((each.name.lower() for each in self.schema), where)
        # Other types round what they read, and two units that read the same would be bounded as one.
        if self.privacy.unit not in {ROW, *(each.name for each in self.schema if each.type in _UNITS)}:
            wrong(f"resource {self.id}.privacy.unit", f"a column of the schema of type text or integer, or {ROW}")
        unique((each.name for each in self.facts), f"resource {self.id}.facts")
        if self.model is not None:
            self._check_model(where)

    def _check_model(self, where: str) -> None:
        # The budget is counted in records that are answered, and a record outside the ranges is refused, not clamped.
        if self.privacy.unit != ROW:
            wrong(f"resource {self.id}.privacy.unit", f"{ROW}: of a model, each record that it answers")
        for each in self.schema:
            if each.bounds is None or each.nullable:
                wrong(f"{where}.{each.name}", "of a model, bounds, and no value missing")

    def column(self, name: str) -> Column | None:
        """The column of this name, if there is one."""
        return next((each for each in self.schema if each.name == name), None)

    def body(self) -> Object:
        """``{resource, schema, privacy, facts}``, and ``model`` of a model."""
        body: Object = {
            "resource": self.id,
            "schema": [each.body() for each in self.schema],
            "privacy": self.privacy.body(),
            "facts": [each.body() for each in self.facts],
        }
        return body if self.model is None else body | {"model": self.model.body()}

    @classmethod
    def of(cls, body: Json, where: str = "resource") -> Resource:
        """Read what `body` wrote; raises as `Bounds.of`."""
        found = Place(body, where).members(("resource", "schema", "privacy", "facts"), ("model",))
        model = found.get("model")
        return cls(
            id=found["resource"].text(),
            schema=tuple(Column.of(each.value, each.where) for each in found["schema"].items(1)),
            privacy=Privacy.of(found["privacy"].value, found["privacy"].where),
            facts=tuple(Fact.of(each.value, each.where) for each in found["facts"].items()),
            model=None if model is None else Served.of(model.value, model.where),
        )


def _check_categories(categories: tuple[str, ...], type_: str, where: str) -> None:
    if not categories or not all(isinstance(each, str) for each in categories):
        wrong(where, "null, or a list of at least one text")
    unique(categories, where)
    reader = _READERS.get(type_)
    if reader is None:
        wrong(where, f"null: a column of type {type_} has no public group keys")
    if not all(reader(each) for each in categories):
        wrong(where, f"texts that are values of type {type_}, each in its one spelling")


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


_READERS: Mapping[str, Callable[[str], object]] = {
    "integer": _INTEGER.match,
    "text": lambda text: True,
    "boolean": lambda text: text in ("true", "false"),
    "date": _is_date,
}
