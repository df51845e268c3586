"""The parts of a product file that have rules of their own: columns, privacy, offers."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from decimal import Decimal

from hefu.canonical import Object
from hefu_policies.budget import Budget
from hefu_policies.goods.product import PUBLIC, Offer, Visibility
from hefu_policies.goods.resource import NUMERIC, ROW, TYPES, Bounds, Column, Privacy
from hefu_policies.goods.served import ANSWERS, Served
from hefu_policies.reading import write_decimal

from hefu_connector.descriptions import templates
from hefu_connector.descriptions.document import Form, Node
from hefu_connector.descriptions.reader import DECIDE, Reader

_COLUMN = ("unit", "sensitivity", "nullable", "bounds", "categories", "description", "elements")
_SERVED = ("digest", "answer", "step", "suite", "tolerance")
_OFFLINE = ("window_seconds", "share_percent")


def columns(reader: Reader, node: Node | None) -> dict[str, Column]:
    """The columns that could be read, by name."""
    found: dict[str, Column] = {}
    lines: dict[str, int] = {}
    for each in reader.items(node, 1) or ():
        column = _column(reader, each)
        if column is None:
            continue
        low = column.name.lower()
        if low in lines:
            reader.fault(each, "product.column_twice", "twice", key=column.name, line=lines[low])
        lines.setdefault(low, each.line)
        found.setdefault(column.name, column)
    return found


def privacy(reader: Reader, node: Node | None, known: Mapping[str, Column]) -> Privacy | None:
    """The privacy of the resource, and that its unit is a column."""
    if node is None:
        return None
    members = reader.members(node, ("unit", "max_contribution", "lifetime"), ("exclusive",))
    unit = reader.text(members.get("unit"))
    most = reader.integer(members.get("max_contribution"), 1)
    lifetime = budget(reader, members.get("lifetime"))
    exclusive = bool(reader.flag(members["exclusive"])) if "exclusive" in members else False
    if unit is not None and unit != ROW and unit not in known:
        _unknown_column(reader, members["unit"], unit, known)
    if unit is None or most is None or lifetime is None:
        return None
    if unit == ROW and most != 1:
        reader.fault(members["max_contribution"], "product.row_contribution")
        return None
    return reader.build(node, lambda: Privacy(unit, most, lifetime, exclusive=exclusive))


def served(reader: Reader, node: Node | None) -> Served | None:
    """What is said of a model."""
    if node is None:
        return None
    members = reader.members(node, _SERVED)
    digest, suite = reader.text(members.get("digest")), reader.text(members.get("suite"))
    answer = reader.choice(members.get("answer"), *ANSWERS)
    step, tolerance = reader.decimal(members.get("step")), reader.decimal(members.get("tolerance"))
    if digest is None or suite is None or answer is None or step is None or tolerance is None:
        return None
    return reader.build(node, lambda: Served(digest, answer, step, suite, tolerance))


def offers(
    reader: Reader, node: Node | None, known: Mapping[str, Column], kept: Privacy | None, model: str = ""
) -> list[Offer]:
    """The offers that could be read.

    Args:
        model: the digest of the described model; empty where there is none.
    """
    found: dict[str, Offer] = {}
    for each in reader.items(node, 1) or ():
        offer = _offer(reader, each, known, kept, model)
        if offer is not None and offer.id in found:
            reader.fault(each.members["name"], "product.offer_twice", "", key=offer.id)
        elif offer is not None:
            found[offer.id] = offer
    return list(found.values())


def budget(reader: Reader, node: Node | None) -> Budget | None:
    """``{epsilon, delta, releases}``, or with ``rho`` for ``epsilon``; rounded down, as what is allowed always is."""
    if node is None:
        return None
    counted = "rho" if node.form is Form.MAPPING and "rho" in node.members else "epsilon"
    members = reader.members(node, (counted, "releases"), ("delta",))
    amount, releases = reader.decimal(members.get(counted)), reader.integer(members.get("releases"), 1)
    delta = reader.decimal(members["delta"]) if "delta" in members else Decimal(0)
    if amount is None or delta is None or releases is None:
        return None
    # An ε of 0 serves exact releases alone; the offer's own check says so where its policy permits others.
    if amount < 0 or not 0 <= delta < 1:
        place = counted if amount < 0 else "delta"
        reader.fault(members[place], "product.range", place)
        return None
    return reader.build(node, lambda: _granted(counted, amount, delta, releases, node.place))


def plain_decimal(number: Decimal) -> str:
    """A decimal in the spelling of descriptions."""
    return write_decimal(number)


def _granted(counted: str, amount: Decimal, delta: Decimal, releases: int, where: str) -> Budget:
    of = Budget.of_rho if counted == "rho" else Budget.of_text
    granted = of(format(amount, "f"), format(delta, "f"), releases=releases)
    granted.check_granted(where, exact=True)
    return granted


def _column(reader: Reader, node: Node) -> Column | None:
    members = reader.members(node, ("name", "type"), _COLUMN)
    name = reader.text(members.get("name"), 63)
    type_ = reader.choice(members.get("type"), *TYPES)
    unit = reader.text(members["unit"]) if "unit" in members else ""
    sensitivity = reader.text(members["sensitivity"]) if "sensitivity" in members else ""
    nullable = reader.flag(members["nullable"]) if "nullable" in members else False
    bounds = _bounds(reader, members.get("bounds"), type_)
    categories = reader.texts(members["categories"], 1) if "categories" in members else None
    description = reader.languages(members["description"]) if "description" in members else {}
    elements = _elements(reader, members.get("elements"))
    if name is None:
        return None
    if type_ is None:
        # Its mistake is reported; it is kept as far as it is known, so that mentions of it are not called unknown.
        return reader.build(node, lambda: Column(name, "text"))
    return reader.build(
        node,
        lambda: Column(
            name, type_, unit or "", sensitivity or "", bool(nullable), bounds, categories, description or {}, elements
        ),
    )


def _elements(reader: Reader, node: Node | None) -> tuple[Object, ...]:
    rows: list[Object] = []
    for each in (reader.items(node) if node is not None else None) or ():
        members = reader.members(each, ("standard", "version", "code"))
        rows.append({name: reader.text(member) or "" for name, member in members.items()})
    return tuple(rows)


def _bounds(reader: Reader, node: Node | None, type_: str | None) -> Bounds | None:
    if node is None:
        return None
    if type_ is not None and type_ not in NUMERIC:
        reader.fault(node, "product.bounds_type", "", type=type_)
        return None
    if node.form is Form.TEXT and node.text == DECIDE:
        reader.fault(node, "product.decide", "bounds")
        return None
    members = reader.members(node, ("lower", "upper"), ("granularity",))
    lower, upper = reader.decimal(members.get("lower")), reader.decimal(members.get("upper"))
    step = reader.decimal(members["granularity"]) if "granularity" in members else _step(type_, lower, upper)
    if lower is None or upper is None or step is None:
        return None
    if lower >= upper:
        reader.fault(node, "product.bounds_order")
        return None
    return reader.build(node, lambda: Bounds(lower, upper, step))


def _step(type_: str | None, *ends: Decimal | None) -> Decimal:
    """The step where none is written: 1, or for decimals the finer of 0.01 and the last digit of the bounds."""
    if type_ == "integer":
        return Decimal(1)
    places = [int(end.as_tuple().exponent) for end in ends if end is not None]
    return Decimal(1).scaleb(min([-2, *places]))


def _offer(reader: Reader, node: Node, known: Mapping[str, Column], kept: Privacy | None, model: str) -> Offer | None:
    members = reader.members(node, ("name", "policy", "budget"), ("visibility", "approval", "valid_days", "offline"))
    name = reader.text(members.get("name"), 64)
    granted = budget(reader, members.get("budget"))
    made = templates.offer(reader, members.get("policy"), known, granted, model)
    visibility = _visibility(reader, members.get("visibility"))
    approval = reader.choice(members["approval"], "automatic", "manual") if "approval" in members else "automatic"
    days = reader.integer(members["valid_days"], 1, 3660) if "valid_days" in members else 365
    window, share = _offline(reader, members.get("offline"))
    if granted is not None and kept is not None and not granted.fits(kept.lifetime):
        reader.fault(members["budget"], "product.budget_lifetime")
    if made is None or None in (name, granted, visibility, approval, days):
        return None
    policy, template = made
    return reader.build(
        node,
        lambda: Offer(name, policy, granted, visibility, approval, days, window, share, template),  # type: ignore[arg-type]
    )


def _visibility(reader: Reader, node: Node | None) -> Visibility | None:
    if node is None:
        return Visibility()
    if node.form is Form.LIST:
        listed = reader.texts(node, 1)
        return Visibility("listed", listed) if listed else None
    kind = reader.choice(node, "members", PUBLIC)
    return Visibility(kind) if kind else None


def _offline(reader: Reader, node: Node | None) -> tuple[int, int]:
    if node is None:
        return 3600, 10
    members = reader.members(node, _OFFLINE)
    window = reader.integer(members.get("window_seconds"), 0, 86_400)
    share = reader.integer(members.get("share_percent"), 0, 100)
    return window or 0, share or 0


def _unknown_column(reader: Reader, node: Node, name: str, known: Iterable[str]) -> None:
    near = difflib.get_close_matches(name, list(known), 1, 0.6)
    if near:
        reader.fault(node, "product.misspelt", "", key=name, near=near[0])
    else:
        reader.fault(node, "product.column_unknown", "unit", key=name)
