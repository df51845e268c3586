"""The policy of an offer: a template of the policies floor by name, its parameters as they stand in the file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from hefu.canonical import Json, Object
from hefu.errors import Language, Malformed
from hefu_policies import library, odrl
from hefu_policies.budget import ZCDP, Budget
from hefu_policies.goods.product import FromTemplate
from hefu_policies.goods.resource import Column
from hefu_policies.library import Parameter, Template
from hefu_policies.reading import write_decimal
from hefu_policies.telling import wording

from hefu_connector.descriptions.document import Form, Node
from hefu_connector.descriptions.reader import DECIDE, Reader

# What the file says elsewhere and may leave out here: all columns, and the offer's budget; of a model, which one it is.
_SET_HERE = frozenset({"columns", "budget", "count"})
_MODELS = "models"


def offer(
    reader: Reader, node: Node | None, known: Mapping[str, Column], granted: Budget | None, model: str = ""
) -> tuple[Object, FromTemplate] | None:
    """The ODRL Offer of ``{template: …, parameters}`` and what it was made from; every wrong parameter is reported.

    Args:
        known: the described columns; ``columns`` may be left out and then names them all.
        granted: the offer's budget, which ``budget`` and ``count`` follow where they are left out.
        model: the digest of the described model, which ``models`` is where it is left out; empty where there is none.
    """
    if node is None:
        return None
    if node.form is not Form.MAPPING or "template" not in node.members:
        reader.members(node, ("template",))
        return None
    name = reader.choice(node.members["template"], *library.TEMPLATES)
    if name is None:
        return None
    template = library.find(name)
    said = _said_elsewhere(template, known, granted, model)
    needed = [
        each.name for each in template.parameters if each.default is None and each.name not in _SET_HERE | said.keys()
    ]
    optional = [each.name for each in template.parameters if each.name not in needed]
    members = reader.members(node, ("template", *needed), optional)
    values, clean = said, True
    for parameter in template.parameters:
        member = members.get(parameter.name)
        if member is None:
            clean = clean and parameter.name not in needed
            continue
        value = _value(member)
        values[parameter.name] = value
        clean = _check(reader, member, parameter, value) and clean
    _check_columns(reader, members.get("columns"), known)
    if not clean or not known or granted is None:
        return None
    return reader.build(node, lambda: (library.template(name, values), FromTemplate(name, values)))


def parameters(name: str, *, of_model: bool = False) -> dict[str, str | None]:
    """The parameters of a template with their defaults as YAML; None where a person must decide.

    What the file says elsewhere is left out: all described columns may be used, within the offer's budget, and of a
    model that one.
    """
    found, left = library.find(name).parameters, _SET_HERE | {_MODELS} if of_model else _SET_HERE
    return {each.name: None if each.default is None else str(each.default) for each in found if each.name not in left}


def expected(name: str, parameter: str, language: Language) -> str:
    """What to write for a parameter, with an example."""
    found = next(each for each in library.find(name).parameters if each.name == parameter)
    return found.expected_zh if language == "zh" else found.expected


def explain(policy: Mapping[str, object], language: Language) -> list[str]:
    """An ODRL policy in words, one line a rule or constraint; what does not load is shown as such."""
    try:
        loaded = odrl.load(dict(policy))  # type: ignore[arg-type]
    except Malformed as error:
        return [error.public(language)]
    return [*wording.clauses(loaded, language)]


def _said_elsewhere(
    template: Template, known: Mapping[str, Column], granted: Budget | None, model: str
) -> dict[str, Json]:
    values: dict[str, Json] = {"columns": [*known]}
    if model:
        values[_MODELS] = [model]
    if granted is not None:
        amount = granted.loss.rho if granted.currency == ZCDP else granted.loss.epsilon
        values |= {"budget": write_decimal(amount), "count": granted.releases}
    takes = {each.name for each in template.parameters}
    return {name: value for name, value in values.items() if name in takes}


def _check(reader: Reader, node: Node, parameter: Parameter, value: Json) -> bool:
    if value == DECIDE:
        reader.fault(node, "product.decide_as", "", **parameter.wanted)
        return False
    try:
        parameter.check(value)
    except Malformed:
        reader.fault(node, "product.parameter", "", key=parameter.name, **parameter.wanted)
        return False
    return True


def _check_columns(reader: Reader, node: Node | None, known: Mapping[str, Column]) -> None:
    for each in node.items if node is not None else ():
        if each.form is Form.TEXT and each.text not in known:
            near = difflib.get_close_matches(each.text, list(known), 1, 0.6)
            code = "product.misspelt" if near else "product.column_unknown"
            reader.fault(each, code, "", key=each.text, near=near[0] if near else "")


def _value(node: Node) -> Json:
    """A parameter's value: whole numbers as such, other numbers as the text that was written."""
    if node.form is Form.LIST:
        return [_value(each) for each in node.items]
    if node.form is Form.NUMBER and node.text.isdecimal():
        return int(node.text)
    if node.form is Form.MAPPING:
        return {name: _value(each) for name, each in node.members.items()}
    return None if node.form is Form.EMPTY else node.text
