"""Ready-made policies with parameters: `template(name, parameters)` gives an ODRL Offer, `describe` says it in words.

Each template stands in a module of its own, with what it permits and refuses in its tests.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hefu.canonical import Json, Object
from hefu.errors import Language, Malformed

from hefu_policies import odrl
from hefu_policies.library.access import ACCESS
from hefu_policies.library.delivery import DELIVERIES
from hefu_policies.library.encrypted import ENCRYPTED
from hefu_policies.library.federated import FEDERATED
from hefu_policies.library.intersection import INTERSECTION
from hefu_policies.library.parameters import Parameter, Template
from hefu_policies.library.public import PUBLIC
from hefu_policies.library.statistics import COUNTED_IN_RHO, OPEN, REGULATOR, RESEARCH
from hefu_policies.words.terms import CONTEXTS, PROFILE

__all__ = ["TEMPLATES", "Parameter", "Template", "describe", "examples", "find", "template"]

TEMPLATES: Final[Mapping[str, Template]] = MappingProxyType(
    {
        each.name: each
        for each in (
            RESEARCH, OPEN, REGULATOR, COUNTED_IN_RHO, *PUBLIC, *ENCRYPTED, *FEDERATED, *INTERSECTION, *DELIVERIES,
            *ACCESS,
        )
    }
)  # fmt: skip


def find(name: str) -> Template:
    """The template of this name.

    Raises:
        Malformed: there is none; the sentence lists those that exist.
    """
    found = TEMPLATES.get(name)
    if found is None:
        raise Malformed("template.unknown", name=name[:60], known=", ".join(TEMPLATES))
    return found


def template(name: str, parameters: Mapping[str, Json]) -> Object:
    """The ODRL Offer of a template.

    Args:
        parameters: values by name; those with a default may be left out.

    Raises:
        Malformed: no such template or parameter, a parameter is missing or has a wrong value.
    """
    chosen = find(name)
    values = _values(chosen, parameters)
    offer: Object = {
        "@context": [*CONTEXTS],
        "@id": f"urn:hefu:template:{name}",
        "@type": "Offer",
        "profile": [PROFILE],
        "conflict": odrl.PROHIBIT,
        **chosen.rules(values),
    }
    odrl.load(offer)
    return offer


def describe(name: str, parameters: Mapping[str, Json], language: Language = "en") -> str:
    """The policy of a template in plain words; raises as `template`."""
    chosen = find(name)
    return chosen.text(_values(chosen, parameters), language)


def examples(name: str) -> dict[str, Json]:
    """A value for every parameter of a template: its default, or one that shows what is meant."""
    return {each.name: each.example if each.default is None else each.default for each in find(name).parameters}


def _values(chosen: Template, parameters: Mapping[str, Json]) -> dict[str, Json]:
    takes = {each.name: each for each in chosen.parameters}
    for name in parameters:
        if name not in takes:
            near = difflib.get_close_matches(name, takes, 1)
            known = ", ".join(near or takes)
            raise Malformed("template.parameter_unknown", template=chosen.name, name=name[:60], known=known)
    return {name: _value(chosen, takes[name], parameters.get(name)) for name in takes}


def _value(chosen: Template, parameter: Parameter, given: Json) -> Json:
    if given is None:
        given = parameter.default
    if given is None:
        raise Malformed("template.parameter_missing", template=chosen.name, name=parameter.name, **parameter.wanted)
    try:
        return parameter.check(given)
    except Malformed:
        fault = Malformed("template.parameter_wrong", template=chosen.name, name=parameter.name, **parameter.wanted)
        raise fault from None
