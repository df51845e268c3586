"""JSON-LD of any shape to its expanded form, with the proof that nothing was dropped and nothing invented.

A JSON-LD processor drops what its context does not know, without a word. So it is asked what it dropped, and every
text of the document must come out again: as many as went in, and each name as an absolute IRI. A policy's own context
may only name prefixes of known namespaces: it cannot give a word another meaning.

For importers and tools. A stranger's JSON-LD is never read on the path of a decision: there `hefu_policies.odrl.load`
reads one fixed form.

Source: JSON-LD 1.1 Processing Algorithms and API, expansion.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final, NoReturn, cast

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Malformed, Unavailable

from hefu_policies.odrl.contexts import KNOWN, NAMESPACES, document
from hefu_policies.reading import wrong

LARGEST: Final = 256 * 1024  # bytes
_KEYWORDS = frozenset({"@context", "@id", "@type", "@value", "@list"})
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\"<>\\^`{|}]{1,300}\Z", re.ASCII)
_NAMED = frozenset({"@id", "@type"})
_RELATIVE: Final = "hefu-relative:"  # the scheme of whatever had none; without a base the processor would invent one


def expand(value: Json, where: str = "policy") -> Object:
    """The one node that a document is about, expanded.

    Args:
        value: a JSON-LD object, or the list of one that is its expanded form.

    Raises:
        Malformed: too large or too deep, another context than the known ones, a keyword that a policy does not
            need, or anything that expansion drops or invents.
        Unavailable: the JSON-LD processor is not installed.
    """
    if len(canonical.encode(value)) > LARGEST:
        wrong(where, f"a policy of at most {LARGEST} bytes")
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        wrong(where, "an object")
    _check_context(value.get("@context", []), f"{where}.@context")
    _check_form({key: item for key, item in value.items() if key != "@context"}, where)
    node = _processed(value, where)
    _check_names(node, where)
    _check_kept(value, node, where)
    return node


def _processed(value: Object, where: str) -> Object:
    try:
        from pyld import jsonld
        from pyld.context_resolver import ContextResolver
    except ModuleNotFoundError:
        raise Unavailable("policy.no_jsonld") from None
    dropped: list[str] = []
    # Fresh each time: the processor alters contexts that it keeps, and later documents would be read differently.
    options = {"base": f"{_RELATIVE}//-/", "documentLoader": document, "contextResolver": ContextResolver({}, document)}
    try:
        nodes = jsonld.expand(value, options, lambda name: dropped.append(str(name)))
    except jsonld.JsonLdError as error:
        _refuse(where, str(error.code or error.type)[:100])
    if dropped:
        raise Malformed("policy.member", where=where, member=dropped[0][:40])
    if len(nodes) != 1 or not isinstance(nodes[0], dict):
        _refuse(where, "not exactly one node")
    return cast(Object, nodes[0])


def _check_context(context: Json, where: str) -> None:
    for each in context if isinstance(context, list) else [context]:
        if isinstance(each, str):
            if each not in KNOWN:
                raise Malformed("policy.jsonld_context", where=where, context=each[:100], known=", ".join(KNOWN))
        elif not isinstance(each, dict) or not all(map(_is_prefix, each.items())):
            known = ", ".join((*KNOWN, *NAMESPACES.values()))
            raise Malformed("policy.jsonld_context", where=where, context="of its own", known=known)


def _is_prefix(entry: tuple[str, Json]) -> bool:
    name, meaning = entry
    return name[:1] != "@" and meaning in NAMESPACES.values()


def _check_form(value: Json, where: str) -> None:
    if value is None:
        wrong(where, "a value, or no member at all: null is dropped")
    if isinstance(value, list):
        for index, item in enumerate(value):
            _check_form(item, f"{where}[{index}]")
    elif isinstance(value, dict):
        for name, item in value.items():
            if name.startswith("@") and (name not in _KEYWORDS or name == "@context"):
                raise Malformed("policy.member", where=where, member=name[:40])
            _check_form(item, f"{where}.{name[:40]}")


def _check_names(value: Json, where: str) -> None:
    """Every name that came out is an absolute IRI: a word that no context knows has none."""
    if isinstance(value, list):
        for item in value:
            _check_names(item, where)
    elif isinstance(value, dict):
        for name, item in value.items():
            if not name.startswith("@"):
                _check_iri(name, where)
            for each in item if isinstance(item, list) else [item]:
                if name in _NAMED and isinstance(each, str):
                    _check_iri(each, where)
            _check_names(item, where)


def _check_iri(name: str, where: str) -> None:
    if not _IRI.match(name) or name.startswith(_RELATIVE):
        word = name.removeprefix(f"{_RELATIVE}//-/")
        _refuse(where, f"{word[:40]} is no IRI and no word of its contexts")


def _check_kept(before: Object, after: Object, where: str) -> None:
    """As many texts, numbers and members came out as went in."""
    given = Counter(_leaves({key: item for key, item in before.items() if key != "@context"}))
    if given != Counter(_leaves(after)):
        _refuse(where, "a value is dropped or added")


def _leaves(value: Json) -> Iterator[str]:
    """One entry a leaf; names are expanded on one side only, so they are counted and values are compared."""
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    else:
        yield type(value).__name__


def _refuse(where: str, why: str) -> NoReturn:
    raise Malformed("policy.jsonld", where=where, why=why)
