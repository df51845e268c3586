"""Description versions that this participant has read, by digest: its own, and those its negotiations name.

A description is kept before anything is signed that names it: a contract is verified over it at every use.
"""

from __future__ import annotations

from hefu.envelope import Statement
from hefu.errors import Conflict
from hefu_policies.agreeing.contract import PUBLISHED
from hefu_policies.agreeing.joint import Sought

from hefu_connector.brokerage import Catalog
from hefu_connector.ports import Trust
from hefu_connector.shelves import Mark, Marks, Products

_DESCRIPTION = "description/"


class Shelf:
    """Safe to use from many threads.

    Args:
        products: this participant's own.
        marks: where descriptions of others are kept.
    """

    def __init__(self, trust: Trust, catalog: Catalog, products: Products, marks: Marks) -> None:
        self._trust = trust
        self._catalog = catalog
        self._products = products
        self._marks = marks

    def find(self, digest: str) -> Statement | None:
        """A kept version by its digest; None if there is none."""
        own = self._products.described(digest)
        return own.statement if own else described(self._marks, digest)

    def fetch(self, sought: Sought) -> Statement:
        """The version that a request names: kept already, or read from the catalog, verified and kept.

        Raises:
            Conflict: the catalog has another version by now.
            NotFound: this participant may not see it.
            Untrusted: it is not the provider's.
            Unavailable: the broker is away.
        """
        found = self.find(sought.description)
        if found is None:
            found = self._catalog.product(sought.product).description.expect(PUBLISHED)
            if found.digest() != sought.description or found.issuer != sought.provider:
                raise Conflict("negotiation.differs", where="description")
            self._trust.verify(found, sought.provider)
            keep(self._marks, found)
        return found


def keep(marks: Marks, description: Statement) -> None:
    """Keep a verified description version by its digest."""
    marks.advance(Mark(_DESCRIPTION + description.digest(), 1, description.to_bytes().decode()))


def described(marks: Marks, digest: str) -> Statement | None:
    """The description version that a request of this connector named, by digest; None if none did."""
    kept = marks.find(_DESCRIPTION + digest)
    return Statement.parse(kept.text.encode()) if kept else None
