"""The JSON-LD contexts that are read: bundled in the package, and never fetched.

A context is known by its URL; what stands at that URL today does not matter. `NAMESPACES` are the prefixes of all
terms that a policy may name, and the only ones that a policy's own context may define, under whatever name.

Source: bundled/SOURCE.txt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from hefu import canonical
from hefu.errors import Malformed

from hefu_policies.words.terms import CONTEXTS, PROFILE

W3C: Final = "http://www.w3.org/ns/odrl.jsonld"
ODRL: Final = "http://www.w3.org/ns/odrl/2/"
DSPACE: Final = "https://w3id.org/dspace/2025/1/"
XSD: Final = "http://www.w3.org/2001/XMLSchema#"
DCTERMS: Final = "http://purl.org/dc/terms/"
NAMESPACES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "odrl": ODRL,
        "hefu": PROFILE,
        "dpv": "https://w3id.org/dpv#",
        "xsd": XSD,
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "dct": DCTERMS,
        "dcat": "http://www.w3.org/ns/dcat#",
        "dspace": DSPACE,
    }
)
_FILES: Final[Mapping[str, str]] = MappingProxyType(
    {
        CONTEXTS[0]: "dspace.jsonld",
        CONTEXTS[1]: "dspace-odrl.jsonld",
        CONTEXTS[2]: "context.jsonld",
        W3C: "odrl22.jsonld",
    }
)
KNOWN: Final = tuple(_FILES)


def document(url: str, options: object = None) -> dict[str, Any]:
    """What a JSON-LD processor gets for a URL: a fresh copy of the bundled context.

    Args:
        options: of the processor; not needed.

    Raises:
        Malformed: any other URL; nothing is fetched.
    """
    name = _FILES.get(url)
    if name is None:
        raise Malformed("policy.jsonld_context", where="@context", context=url[:100], known=", ".join(KNOWN))
    body: Any = json.loads(text(name))  # a processor alters what it is given
    return {"contextUrl": None, "documentUrl": url, "document": body, "contentType": "application/ld+json"}


@cache
def digest(url: str) -> str:
    """The digest of the bundled document of a context; raises Malformed for any other URL."""
    document(url)
    return canonical.digest(text(_FILES[url]).encode())


@cache
def text(name: str) -> str:
    """The text of a bundled file."""
    return (files("hefu_policies.odrl") / "bundled" / name).read_text("utf-8")


def compact(iri: str) -> str:
    """An IRI with the prefix that policies write: ``hefu:epsilon``; one of no known namespace as it is."""
    for prefix, namespace in NAMESPACES.items():
        if iri.startswith(namespace):
            return f"{prefix}:{iri.removeprefix(namespace)}"
    return iri
