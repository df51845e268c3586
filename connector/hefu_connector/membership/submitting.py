"""The broker's ports, with a note of each statement that it took: what `anchoring` names in the journal.

Only an answer is noted. A refusal raises and leaves no trace here; a repetition notes the same leaf again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hefu.envelope import Statement

from hefu_connector.brokerage import Catalog, Listing, Negotiations, Notices, Page, Progress

Note = Callable[[Statement], None]


class NotedCatalog:
    """`brokerage.Catalog` that notes publications and retirements."""

    def __init__(self, catalog: Catalog, note: Note) -> None:
        self._catalog = catalog
        self._note = note

    def publish(self, description: Statement) -> Listing:
        """As in the port."""
        listing = self._catalog.publish(description)
        self._note(description)
        return listing

    def retire(self, retirement: Statement) -> Listing:
        """As in the port."""
        listing = self._catalog.retire(retirement)
        self._note(retirement)
        return listing

    def product(self, product: str) -> Listing:
        """As in the port."""
        return self._catalog.product(product)

    def search(self, query: str, narrowing: str = "", token: str = "", size: int = 50) -> Page:
        """As in the port."""
        return self._catalog.search(query, narrowing, token, size)


class NotedNegotiations:
    """`brokerage.Negotiations` that notes messages and terminations."""

    def __init__(self, negotiations: Negotiations, note: Note) -> None:
        self._negotiations = negotiations
        self._note = note

    def advance(self, message: Statement) -> Progress:
        """As in the port."""
        progress = self._negotiations.advance(message)
        self._note(message)
        return progress

    def negotiation(self, name: str) -> Progress:
        """As in the port."""
        return self._negotiations.negotiation(name)

    def negotiations(self) -> Sequence[Progress]:
        """As in the port."""
        return self._negotiations.negotiations()

    def watch(self, after: int) -> Iterator[Progress]:
        """As in the port."""
        return self._negotiations.watch(after)

    def terminate(self, termination: Statement) -> Progress:
        """As in the port."""
        progress = self._negotiations.terminate(termination)
        self._note(termination)
        return progress


class NotedNotices:
    """`brokerage.Notices` that notes what was handed in."""

    def __init__(self, notices: Notices, note: Note) -> None:
        self._notices = notices
        self._note = note

    def record(self, notice: Statement) -> Progress:
        """As in the port."""
        progress = self._notices.record(notice)
        self._note(notice)
        return progress

    def after(self, agreement: str, number: int) -> Sequence[Statement]:
        """As in the port."""
        return self._notices.after(agreement, number)
