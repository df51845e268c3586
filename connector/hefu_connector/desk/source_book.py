"""The provider's own sources: registered by name, each one asset with one budget for life (promise Q-e)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from hefu.envelope import new_id
from hefu.errors import Conflict, HefuError, Malformed, NotFound, Unavailable, Untrusted
from hefu.identity import check_name
from hefu_policies.goods.resource import Resource

from hefu_connector.computing.served_model import FORM, Told
from hefu_connector.shelves import LaidOut, Products, ProductState, SourceRecord, Sources


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

    def model(self, source: SourceRecord) -> Told | None:
        """What may be told of a source that is a model; None of any other.

        Raises:
            Malformed: its file is no model that could be served.
            Unavailable: the source cannot be read.
        """
        ...

    def check(self, source: SourceRecord, resources: Iterable[Resource]) -> None:
        """Check that a source that is counted in place can be, as it is described; and that a model is the one that
        is described.

        Raises:
            Malformed: a column of it does not hold what is described, or it is another model.
            Unavailable: the source cannot be read.
        """
        ...


class Lay(Protocol):
    """What lays sources out for fast questions."""

    def make(self, source: SourceRecord, resources: Sequence[Resource]) -> LaidOut:
        """Lay a source out as it is now, as its descriptions say; the first that has a column decides of it.

        Raises:
            Unavailable: it cannot be read, is not as described, or there is no room.
        """
        ...

    def follow(self, source: SourceRecord, resources: Sequence[Resource]) -> None:
        """Lay a published source out if that is wanted and not done: it is a file that is large enough and no command
        said otherwise, or it was laid out by command and that is lost. May take as long as `make`, and raises as it.
        """
        ...

    def release(self, resource: str) -> None:
        """Forget what is laid out, and lay nothing out but by command."""
        ...

    def drop(self, resource: str) -> None:
        """Forget what is laid out, and what commands said of it."""
        ...


class SourceBook:
    """Registers, changes and forgets sources. Safe to use from many threads."""

    def __init__(self, sources: Sources, products: Products, look: Look, lay: Lay) -> None:
        self._sources = sources
        self._products = products
        self._look = look
        self._lay = lay
        self.changed: Callable[[str], None] = lambda _: None  # called with the asset whose source was set or forgotten

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
        self.changed(made.resource)
        return made

    def change(self, source: SourceRecord) -> SourceRecord:
        """Replace where and how a source is read; it stays the same asset. Raises NotFound, and as `add`."""
        held = self.find(source.name)
        made = replace(self._look.spell(source), resource=held.resource)
        self._look.columns(made)
        described = self._described(made.resource)
        # Another model is no fault here: what is described is answered no more until it is published anew.
        if made.form != FORM or not all(each.model is not None for each in described):
            self._look.check(made, described)
        self._sources.change(made)
        self.changed(made.resource)
        self._lay.drop(made.resource)
        return made

    def refresh(self, name: str) -> LaidOut:
        """Lay a source out as it is now; from then on questions are answered from that, until it is laid out anew.

        Raises:
            NotFound: no such source.
            Conflict: no published product describes it yet, it is counted in place, or it is a model.
            Unavailable: as `Lay.make`.
        """
        held = self.find(name)
        if held.form == FORM:
            raise Conflict("source.model", name=name)
        if held.in_place:
            raise Conflict("source.nothing_to_lay", name=name)
        described = self._described(held.resource)
        if not described:
            raise Conflict("source.undescribed", name=name)
        return self._lay.make(held, described)

    def follow(self) -> None:
        """Lay out every published source of which that is wanted and not done; called every few seconds.

        Raises:
            Unavailable: one cannot be laid out, or was altered; the others were seen to all the same.
        """
        failed: HefuError | None = None
        for held in self._sources.all():
            described = self._described(held.resource)
            try:
                if described and held.form != FORM:
                    self._lay.follow(held, described)
            except (Unavailable, Untrusted) as fault:
                failed = fault
        if failed is not None:
            raise Unavailable(failed.code, detail=failed.detail)

    def release(self, name: str) -> SourceRecord:
        """Forget what is laid out of a source: questions read it as it is at the time. Raises NotFound."""
        held = self.find(name)
        self._lay.release(held.resource)
        return held

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
        self.changed(held.resource)
        self._lay.drop(held.resource)

    def check(self, name: str, resources: Sequence[Resource]) -> SourceRecord:
        """A source, if it can be read as it is described.

        Raises:
            NotFound: no such source.
            Malformed, Unavailable: as `Look.check`.
        """
        held = self.find(name)
        self._look.check(held, [each for each in resources if each.id == held.resource])
        return held

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

    def model(self, name: str) -> Told | None:
        """What may be told of a source that is a model, None of any other; raises NotFound, and as `Look.model`."""
        return self._look.model(self.find(name))

    def all(self) -> Sequence[SourceRecord]:
        """All sources, by name."""
        return self._sources.all()

    def _described(self, resource: str) -> list[Resource]:
        published = (each for each in self._products.all(resource) if each.state is ProductState.PUBLISHED)
        return [one for each in published for one in each.description.resources if one.id == resource]


def check_options(options: Mapping[str, str]) -> None:
    """Check that no option carries a secret.

    Raises:
        Malformed: one is named like one.
    """
    for name in options:
        if any(word in name.lower() for word in ("password", "secret", "token")):
            raise Malformed("source.secret", option=name[:40])
