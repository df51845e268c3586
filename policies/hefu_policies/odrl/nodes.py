"""Expanded JSON-LD, read one node at a time: every member is asked for, or refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from hefu.canonical import Json
from hefu.errors import Malformed

from hefu_policies.odrl.contexts import compact
from hefu_policies.reading import wrong

_ASIDE = frozenset({"@id", "@type", "odrl:uid"})


@dataclass(frozen=True, slots=True)
class Node:
    """A node object.

    Attributes:
        members: values by compact name, for example ``odrl:permission``.
        where: the path at which it stands.
    """

    members: dict[str, list[Json]]
    where: str

    @classmethod
    def of(cls, value: Json, where: str) -> Node:
        """Read an expanded node object.

        Raises:
            Malformed: it is a literal or a list.
        """
        if not isinstance(value, dict) or "@value" in value or "@list" in value:
            wrong(where, "an object, or the IRI of one")
        found: dict[str, list[Json]] = {}
        for name, item in value.items():
            found[compact(name)] = item if isinstance(item, list) else [item]
        return cls(found, where)

    @property
    def id(self) -> str:
        """Its IRI with a known prefix; empty where it has none but a name for this document only."""
        found = [compact(str(each)) for each in self.members.get("@id", [])] + self.references("odrl:uid")
        if len(set(found)) > 1:
            wrong(self.where, "one @id")
        return "" if not found or found[0].startswith("_:") else found[0]

    @property
    def types(self) -> list[str]:
        """Its types, with known prefixes."""
        return [compact(str(each)) for each in self.members.get("@type", [])]

    def allow(self, names: Iterable[str], types: Iterable[str] = ()) -> None:
        """Refuse every member and type but those named.

        Raises:
            Malformed: with the first other one.
        """
        for name in sorted(set(self.members) - _ASIDE - set(names)):
            self.refuse(name)
        for name in sorted(set(self.types) - set(types)):
            self.refuse(name)

    def refuse(self, name: str) -> NoReturn:
        """Refuse a member."""
        raise Malformed("policy.member", where=self.where, member=name[:40])

    def at(self, name: str, index: int | None = None) -> str:
        """The path of a member, as the strict form would have it."""
        path = f"{self.where}.{name.removeprefix('odrl:')}"
        return path if index is None else f"{path}[{index}]"

    def values(self, name: str) -> list[Json]:
        """The values of a member, out of a list if there is one."""
        found = self.members.get(name, [])
        only = found[0] if len(found) == 1 else None
        if isinstance(only, dict) and set(only) == {"@list"}:
            inside = only["@list"]
            return inside if isinstance(inside, list) else [inside]
        return found

    def nodes(self, name: str) -> list[Node]:
        """The node objects of a member."""
        return [Node.of(each, self.at(name, index)) for index, each in enumerate(self.values(name))]

    def references(self, name: str) -> list[str]:
        """What a member refers to; what is said there about those things besides their type is refused."""
        found = []
        for index, each in enumerate(self.values(name)):
            node = Node.of(each, self.at(name, index))
            if set(node.members) - {"@id", "@type"} or "@id" not in node.members:
                wrong(node.where, "an IRI, and nothing else about it")
            found.append(compact(str(node.members["@id"][0])))
        return found

    def reference(self, name: str) -> str:
        """What a member refers to, which must be exactly one thing."""
        found = self.references(name)
        return found[0] if len(found) == 1 else wrong(self.at(name), "exactly one IRI")


def literal(value: Json, where: str) -> tuple[str | int | bool, str]:
    """A literal and its datatype, with a known prefix; that of a text is ``xsd:string``.

    Raises:
        Malformed: no literal.
    """
    if not isinstance(value, dict) or "@value" not in value:
        wrong(where, "a literal")
    content = value["@value"]
    if not isinstance(content, (str, int)):
        wrong(where, "a text, a whole number, or true or false")
    natural = (
        "xsd:boolean" if isinstance(content, bool) else "xsd:integer" if isinstance(content, int) else "xsd:string"
    )
    return content, compact(str(value.get("@type", natural)))
