"""From a product file to a `Description`, or to every mistake in it at once.

The file is read part by part; what each part means is validated by the policies floor, so that the file can say
nothing that a signed description could not.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from hefu.canonical import Json, Object
from hefu_policies import odrl
from hefu_policies.analysis import clashes
from hefu_policies.deciding.policy import Policy
from hefu_policies.goods.product import DATA_PRODUCT, LATEST, MODEL, Codes, Description, Offer, Price
from hefu_policies.goods.resource import Fact, Resource
from hefu_policies.words.terms import MPC_EVALUATE

from hefu_connector.computing.facts import declared_rows, without_source
from hefu_connector.computing.served_model import Told, alike, wanted
from hefu_connector.descriptions import parts
from hefu_connector.descriptions.document import Form, Node, parse
from hefu_connector.descriptions.faults import Fault
from hefu_connector.descriptions.reader import Reader

API_VERSION = "hefu/v1"
KIND = "DataProduct"
MODEL_KIND = "Model"
UNREGISTERED = "res-unregistered"
_REQUIRED = (
    "apiVersion", "kind", "product", "title", "description", "source", "columns", "privacy", "governance", "offers",
)  # fmt: skip
_OPTIONAL = (
    "keywords",
    "snapshot",
    "codes",
    "classifications",
    "standards",
    "price",
    "facts",
    "model",
    "external_ids",
    "extensions",
)
_GOVERNANCE = ("security_grade", "personal_data", "important_data", "legal_basis", "cross_border")
_CODES = ("product_form", "delivery_mode", "execution_environment", "encryption")
# What a source's column may be declared as.
_FITS: Mapping[str, tuple[str, ...]] = {
    "integer": ("integer", "decimal", "boolean", "text"),
    "decimal": ("decimal",),
    "text": ("text", "date", "timestamp"),
    "boolean": ("boolean", "text"),
    "date": ("date", "timestamp", "text"),
    "timestamp": ("timestamp", "date", "text"),
}


@dataclass(frozen=True, slots=True)
class SourceView:
    """What the check may know of a source: its columns' names and types, never a value.

    Attributes:
        resource: the asset that every product over this source is about.
        columns: type by name; an empty type is one that Hefu has no word for.
        model: what may be told of it where it is a model.
    """

    name: str
    resource: str
    columns: Mapping[str, str]
    model: Told | None = None


Registered = Mapping[str, Callable[[], SourceView]]


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of a check: a description, or faults in the order of their lines.

    Attributes:
        description: as version 1; the connector sets version and previous when it publishes.
        warnings: what is in order, and yet will not do what its author may expect.
    """

    source: str
    description: Description | None
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...] = ()


def check(text: str, sources: Registered | None = None, region: str = "") -> Checked:
    """Read a product file.

    Args:
        region: where the connector computes that is to enforce its policies, as its settings say.
        sources: how to look at each registered source, by name; only the one that the file names is looked at. None
            where no connector can be asked: then the file is not compared with its source.
    """
    root, faults = parse(text)
    if root is None:
        return Checked("", None, tuple(faults))
    reader = Reader(faults)
    found = reader.members(root, _REQUIRED, _OPTIONAL)
    reader.choice(found.get("apiVersion"), API_VERSION)
    kind = reader.choice(found.get("kind"), KIND, MODEL_KIND)
    if kind is not None and (kind == MODEL_KIND) != ("model" in found):
        reader.fault(found["kind"], "product.kind_model", "model")
    view = _source(reader, found, sources)
    description = _description(reader, root, found, view)
    if view is not None and "columns" in found:
        _compare(reader, found["columns"], view)
        _compare_model(reader, found, view, description)
    ordered = tuple(sorted(dict.fromkeys(map(_Key, reader.faults)), key=lambda each: each.fault.line))
    name = found["source"].text if "source" in found else ""
    if ordered or description is None:
        return Checked(name, None, tuple(each.fault for each in ordered))
    return Checked(name, description, (), tuple(_warnings(found["offers"], description, region)))


@dataclass(frozen=True, slots=True)
class _Key:
    """A fault by what it shows, so that one mistake found on two ways is told once."""

    fault: Fault

    def __hash__(self) -> int:
        return hash((self.fault.line, self.fault.place, self.fault.what))


def _source(reader: Reader, found: Mapping[str, Node], known: Registered | None) -> SourceView | None:
    node = found.get("source")
    name = reader.text(node)
    if node is None or name is None or known is None:
        return None
    if name not in known:
        near = difflib.get_close_matches(name, known, 1, 0.5)
        code = "product.misspelt" if near else "product.source"
        reader.fault(node, code, "", key=name, near=near[0] if near else "", name=name)
        return None
    return known[name]()


def _description(reader: Reader, root: Node, found: Mapping[str, Node], view: SourceView | None) -> Description | None:
    columns = parts.columns(reader, found.get("columns"))
    privacy = parts.privacy(reader, found.get("privacy"), columns)
    facts, served = _facts(reader, found.get("facts")), parts.served(reader, found.get("model"))
    words = _words(reader, found)
    offers = parts.offers(reader, found.get("offers"), columns, privacy, served.digest if served is not None else "")
    if reader.faults or privacy is None:
        return None
    resource = reader.build(
        found["columns"],
        lambda: Resource(view.resource if view else UNREGISTERED, tuple(columns.values()), privacy, facts, served),
    )
    if resource is None:
        return None
    # Every member of `words` was read by the reader into the type that the field has.
    return reader.build(
        root,
        lambda: Description(version=1, resources=(resource,), offers=tuple(offers), **words),  # type: ignore[arg-type]
    )


def _warnings(offers: Node, description: Description, region: str) -> Iterator[Fault]:
    """Rules that clash, and what is never met: constraints on facts that nobody knows here, and what is unanswered."""
    for node, offer in zip(offers.items, description.offers, strict=True):
        policy, told = odrl.load(offer.policy), set()
        for clash in clashes(policy):
            if clash.is_fault:
                found = {"rule": clash.rule, "others": ", ".join(clash.others)}
                yield Fault(node.line, node.place, clash.finding.value, "", found)
        yield from _unanswered(node, offer, policy, description.resources[0])
        for each in without_source(policy, description.resources[0], region):
            if each.operand.term not in told:
                told.add(each.operand.term)
                yield Fault(
                    node.line, node.place, "product.no_fact", "", {"offer": offer.id, "term": each.operand.term}
                )


def _unanswered(node: Node, offer: Offer, policy: Policy, resource: Resource) -> Iterator[Fault]:
    """Totals of an unknown number of rows, and scores of less than a block."""
    if MPC_EVALUATE in policy.actions() and not declared_rows(resource):
        yield Fault(node.line, node.place, "product.no_rows", "", {"offer": offer.id})
    if resource.model is not None and offer.budget.releases < resource.model.places:
        block = {"offer": offer.id, "places": str(resource.model.places)}
        yield Fault(node.line, node.place, "product.block", "", block)


def _words(reader: Reader, found: Mapping[str, Node]) -> dict[str, object]:
    """The members that stand in the description as they stand in the file."""
    words: dict[str, object] = {
        "product": reader.text(found.get("product"), 128),
        "kind": MODEL if "model" in found else DATA_PRODUCT,
        "title": reader.languages(found.get("title"), 200),
        "description": reader.languages(found.get("description")),
        "keywords": reader.texts(found["keywords"]) if "keywords" in found else (),
        "standards": reader.texts(found["standards"]) if "standards" in found else (),
        "snapshot_rule": reader.text(found["snapshot"]) if "snapshot" in found else LATEST,
        "classifications": _rows(reader, found.get("classifications"), "scheme", "code"),
        "external_ids": _rows(reader, found.get("external_ids"), "scheme", "value", "issuer", "status"),
        "codes": _codes(reader, found.get("codes")),
        "price": _price(reader, found.get("price")),
        "extensions": _extensions(reader, found.get("extensions")),
    }
    if "governance" in found:
        rules = reader.members(found["governance"], _GOVERNANCE)
        words["security_grade"] = reader.integer(rules.get("security_grade"), 1, 5)
        words["legal_basis"] = reader.text(rules.get("legal_basis"))
        for name in ("personal_data", "important_data", "cross_border"):
            words[name] = reader.flag(rules.get(name))
    return words


def _codes(reader: Reader, node: Node | None) -> Codes:
    if node is None:
        return Codes()
    members = reader.members(node, (), _CODES)
    return Codes(**{name: reader.text(each) or "" for name, each in members.items()})


def _price(reader: Reader, node: Node | None) -> Price | None:
    if node is None:
        return None
    members = reader.members(node, ("amount", "currency"))
    amount, currency = reader.decimal(members.get("amount")), reader.text(members.get("currency"))
    if amount is None or currency is None:
        return None
    return reader.build(node, lambda: Price(parts.plain_decimal(amount), currency))


def _facts(reader: Reader, node: Node | None) -> tuple[Fact, ...]:
    """Facts in a file are declared; only the gate releases facts."""
    rows = _rows(reader, node, "name", "value")
    return tuple(Fact(str(row["name"]), str(row["value"])) for row in rows)


def _rows(reader: Reader, node: Node | None, *names: str) -> tuple[Object, ...]:
    rows: list[Object] = []
    for each in (reader.items(node) if node is not None else None) or ():
        members = reader.members(each, names)
        texts = {name: reader.text(member) for name, member in members.items()}
        row: Object = {name: text for name, text in texts.items() if text is not None}
        if len(row) == len(names):
            rows.append(row)
    return tuple(rows)


def _extensions(reader: Reader, node: Node | None) -> Object:
    if node is None or node.form is Form.EMPTY:
        return {}
    if node.form is not Form.MAPPING:
        reader.fault(node, "product.mapping", "", keys="…")
        return {}
    return {name: _free(each) for name, each in node.members.items()}


def _free(node: Node) -> Json:
    if node.form is Form.MAPPING:
        return {name: _free(each) for name, each in node.members.items()}
    if node.form is Form.LIST:
        return [_free(each) for each in node.items]
    if node.form is Form.FLAG:
        return node.text.lower() == "true"
    return None if node.form is Form.EMPTY else node.text


def _compare(reader: Reader, columns: Node, view: SourceView) -> None:
    """Every described column must be in the source, with a type it can have."""
    for each in columns.items:
        name, type_ = each.members.get("name"), each.members.get("type")
        if name is None:
            continue
        if name.text not in view.columns:
            near = difflib.get_close_matches(name.text, view.columns, 1, 0.6)
            code = "product.column_near" if near else "product.column_missing"
            reader.fault(name, code, "", key=name.text, source=view.name, near=near[0] if near else "")
        elif type_ is not None:
            has = view.columns[name.text]
            if type_.text not in _FITS.get(has, ()) and type_.text in _FITS:
                reader.fault(type_, "product.column_type", "", key=name.text, found=has or "another type")


def _compare_model(reader: Reader, found: Mapping[str, Node], view: SourceView, made: Description | None) -> None:
    """What is said of a model must be what its file says, and its columns all the features, in their order."""
    if (view.model is None) != ("model" not in found):
        reader.fault(found.get("model", found["source"]), "product.source_model", "model", key=view.name)
    if view.model is None or made is None or "model" not in found:
        return
    described = made.resources[0]
    if described.model != view.model.served:
        reader.fault(found["model"], "product.other_model", "model", key=view.name)
    nodes = found["columns"].items
    for node, said, here in zip(nodes, described.schema, view.model.columns, strict=False):
        if not alike(said, here):
            reader.fault(node, "model.feature", "", name=said.name, expected=wanted(here))
    for here in view.model.columns[len(nodes) :]:
        reader.fault(found["columns"], "product.left_feature", "", expected=wanted(here))
