"""The provider's own sources: registered by name, each one asset with one budget for life (promise Q-e)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from hefu.envelope import new_id
from hefu.errors import Conflict, Malformed, NotFound
from hefu.identity import check_name

from hefu_connector.shelves import Products, ProductState, SourceRecord, Sources


class Look(Protocol):
    """What may be asked of a source that is not yet, or already, registered."""

    def spell(self, source: SourceRecord) -> SourceRecord:
        """The record with its URI and form in their one spelling.

        Raises:
            Malformed: the URI or an option is none that this connector can read.
        """
        ...

    def columns(self, source: SourceRecord) -> Mapping[str, str]:
        """The columns' types by name, as products would call them; read in a worker, never a value.

        Raises:
            Unavailable: the source cannot be read.
        """
        ...


class SourceBook:
    """Registers, changes and forgets sources. Safe to use from many threads."""

    def __init__(self, sources: Sources, products: Products, look: Look) -> None:
        self._sources = sources
        self._products = products
        self._look = look

    def add(self, source: SourceRecord) -> SourceRecord:
        """Register a source after looking that it can be read; `resource` is set here.

        Raises:
            Malformed: its name, URI or an option is not well formed.
            Conflict: the name is taken, or the place is another asset's already.
            Unavailable: it cannot be read.
        """
        check_name(source.name, "The source's name")
        spelt = self._look.spell(source)
        held = self._sources.find(name=source.name)
        if held is not None:
            if replace(spelt, resource=held.resource) == held:
                return held
            raise Conflict("source.taken", what="name", name=source.name)
        self._look.columns(spelt)
        made = replace(spelt, resource=new_id("res"))
        self._sources.add(made)
        return made

    def change(self, source: SourceRecord) -> SourceRecord:
        """Replace where and how a source is read; it stays the same asset. Raises NotFound, and as `add`."""
        held = self.find(source.name)
        made = replace(self._look.spell(source), resource=held.resource)
        self._look.columns(made)
        self._sources.change(made)
        return made

    def remove(self, name: str) -> None:
        """Forget a source.

        Raises:
            NotFound: no such source.
            Conflict: a product that is not retired is about it.
        """
        held = self.find(name)
        for each in self._products.all(held.resource):
            if each.state is not ProductState.RETIRED:
                raise Conflict("source.used", name=name, product=each.product)
        self._sources.remove(name)

    def find(self, name: str) -> SourceRecord:
        """A source; raises NotFound."""
        held = self._sources.find(name=name)
        if held is None:
            raise NotFound("resource.not_found", what="source", name=name)
        return held

    def columns(self, name: str) -> tuple[SourceRecord, Mapping[str, str]]:
        """A source with its columns' types by name; raises NotFound or Unavailable."""
        held = self.find(name)
        return held, self._look.columns(held)

    def all(self) -> Sequence[SourceRecord]:
        """All sources, by name."""
        return self._sources.all()


def check_options(options: Mapping[str, str]) -> None:
    """Check that no option carries a secret.

    Raises:
        Malformed: one is named like one.
    """
    for name in options:
        if any(word in name.lower() for word in ("password", "secret", "token")):
            raise Malformed("source.secret", option=name[:40])
