"""What else a connector keeps, in memory: marks, products, requests and releases, agreements as exact bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from hefu.envelope import Statement
from hefu.errors import Conflict, HefuError, NotFound
from hefu.statements.notices import Change
from hefu_connector.contracting.contracts import Papers, Pins, verify_contract, verify_termination, verify_turns
from hefu_connector.ports import FINAL, ComputationState, Contract, Trust, Turn
from hefu_connector.shelves import Mark, OwnProduct, OwnRequest, ProductState
from hefu_policies.goods.product import Description

from hefu_space.simulator.disk import Draft, Store

MARKS, PRODUCTS, REQUESTS, RECEIVED, PAPERS = "marks", "products", "requests", "received", "papers"


class MemoryMarks:
    """`shelves.Marks` in memory."""

    def __init__(self, store: Store | None = None) -> None:
        self._store = store or Store()

    def advance(self, mark: Mark) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            kept = draft.read(MARKS).get(mark.name)
            if kept is not None and mark.number < kept.number:
                raise Conflict("mark.rollback", name=mark.name)
            draft.write(MARKS)[mark.name] = mark

    def first(self, mark: Mark, *unless: str) -> Mark:
        """As in the port."""
        with self._store.writing() as draft:
            for name in unless:
                if name in draft.read(MARKS):
                    raise Conflict("mark.other", name=name)
            kept: Mark = draft.write(MARKS).setdefault(mark.name, mark)
            return kept

    def find(self, name: str) -> Mark | None:
        """As in the port."""
        with self._store.reading() as draft:
            found: Mark | None = draft.read(MARKS).get(name)
            return found

    def all(self, prefix: str = "") -> Sequence[Mark]:
        """As in the port."""
        with self._store.reading() as draft:
            return [mark for name, mark in sorted(draft.read(MARKS).items()) if name.startswith(prefix)]

    def remove(self, name: str) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            draft.write(MARKS).pop(name, None)


class MemoryProducts:
    """`shelves.Products` in memory, of one version and its successors.

    LIMIT: it does not compare what a resource promised over versions: no story changes that.
    """

    def __init__(self, store: Store | None = None) -> None:
        self._store = store or Store()

    def keep(self, statement: Statement, state: ProductState) -> OwnProduct:
        """As in the port."""
        with self._store.writing() as draft:
            if state is ProductState.RETIRED:
                return _retire(draft, statement)
            description = Description.of(statement.body)
            kept = draft.read(PRODUCTS).get(statement.digest())
            if kept is not None and (kept.state is state or kept.state is not ProductState.DRAFTED):
                found: OwnProduct = kept
                return found
            published = _published(draft, description.product)
            if published is not None and published.state is ProductState.RETIRED:
                raise Conflict("product.retired", product=description.product)
            if not _follows(published, description):
                raise Conflict("product.order", product=description.product, version=description.version)
            made = OwnProduct(description.product, description.version, state, statement, description)
            draft.write(PRODUCTS)[statement.digest()] = made
            return made

    def find(self, product: str) -> OwnProduct | None:
        """As in the port."""
        with self._store.reading() as draft:
            return _published(draft, product) or _drafted(draft, product)

    def described(self, digest: str) -> OwnProduct | None:
        """As in the port."""
        with self._store.reading() as draft:
            found: OwnProduct | None = draft.read(PRODUCTS).get(digest)
            return found

    def draft(self, product: str) -> OwnProduct | None:
        """As in the port."""
        with self._store.reading() as draft:
            found = _drafted(draft, product)
            return found if found and _follows(_published(draft, product), found.description) else None

    def all(self, resource: str = "") -> Sequence[OwnProduct]:
        """As in the port."""
        with self._store.reading() as draft:
            names = sorted({each.product for each in draft.read(PRODUCTS).values()})
            found = [_published(draft, name) or _drafted(draft, name) for name in names]
        return [
            each for each in found if each and (not resource or resource in {r.id for r in each.description.resources})
        ]


class MemoryRequests:
    """`shelves.Requests` and `shelves.Releases` in memory."""

    def __init__(self, store: Store | None = None) -> None:
        self._store = store or Store()

    def keep(self, request: OwnRequest) -> OwnRequest:
        """As in the port."""
        with self._store.writing() as draft:
            kept: OwnRequest = draft.write(REQUESTS).setdefault(request.id, request)
        if (kept.envelope, kept.peer) != (request.envelope, request.peer):
            raise Conflict("computation.other", computation=request.id)
        return kept

    def advance(self, computation: str, state: ComputationState | None, at: datetime, *, fault: str = "") -> OwnRequest:
        """As in the port."""
        with self._store.writing() as draft:
            kept = _need(draft, computation)
            late = kept.state in FINAL and state is not None and state not in FINAL and not fault
            if late or (kept.state, kept.fault) == (state, fault):
                return kept
            _need_open(kept)
            return _change(draft, replace(kept, state=state, fault=fault, updated=at))

    def find(self, computation: str) -> OwnRequest | None:
        """As in the port."""
        with self._store.reading() as draft:
            found: OwnRequest | None = draft.read(REQUESTS).get(computation)
            return found

    def unfinished(self) -> Sequence[OwnRequest]:
        """As in the port."""
        with self._store.reading() as draft:
            return [each for each in draft.read(REQUESTS).values() if not each.finished]

    def all(self, limit: int, before: str = "") -> Sequence[OwnRequest]:
        """As in the port."""
        with self._store.reading() as draft:
            newest: list[OwnRequest] = [*draft.read(REQUESTS).values()][::-1]
        ids = [each.id for each in newest]
        if before and before not in ids:
            return []
        start = ids.index(before) + 1 if before else 0
        return newest[start : start + limit]

    def receive(
        self,
        computation: str,
        state: ComputationState,
        receipt: bytes,
        parts: int,
        at: datetime,
        due: datetime | None = None,
    ) -> OwnRequest:
        """As in the port, for computations: no story delivers rows."""
        if due is not None:
            raise Conflict("release.other", computation=computation)
        with self._store.writing() as draft:
            kept = _need(draft, computation)
            if (kept.state, kept.receipt, kept.parts) == (state, receipt, parts):
                return kept
            if kept.receipt is not None or state not in FINAL:
                raise Conflict("release.other", computation=computation)
            if kept.state is not state:
                _need_open(kept)
            return _change(draft, replace(kept, state=state, receipt=receipt, parts=parts, updated=at))

    def add(self, computation: str, index: int, sealed: bytes) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            kept = _need(draft, computation)
            if not 0 <= index < (kept.parts or 0):
                raise NotFound("resource.not_found", what="release part", name=f"{computation}/{index}")
            if index > kept.held:
                raise Conflict("release.other", computation=computation)
            before = draft.read(RECEIVED).get((computation, index))
            if before is not None:
                if before != sealed:
                    raise Conflict("release.other", computation=computation)
                return
            draft.write(RECEIVED)[computation, index] = sealed
            _change(draft, replace(kept, held=index + 1))

    def parts(self, computation: str) -> Sequence[bytes]:
        """As in the port."""
        with self._store.reading() as draft:
            return [each for (id_, _), each in sorted(draft.read(RECEIVED).items()) if id_ == computation]

    def opened(self, computation: str, path: str) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            _change(draft, replace(_need(draft, computation), answer=path))


class MemoryContracts:
    """`ports.Contracts` in memory: bytes, verified when they are kept and when they are loaded."""

    def __init__(self, trust: Trust, pins: Pins, store: Store | None = None) -> None:
        self._store = store or Store()
        self._trust = trust
        self._pins = pins
        self._verified: dict[Papers, Contract] = {}

    def load(self, agreement: str) -> Contract:
        """As in the port."""
        with self._store.reading() as draft:
            papers: Papers | None = draft.read(PAPERS).get(agreement)
        if papers is None:
            raise NotFound("resource.not_found", what="agreement", name=agreement)
        if papers not in self._verified:
            self._verified[papers] = verify_contract(papers, self._trust, self._pins)
        return self._verified[papers]

    def keep(self, contract: Contract) -> None:
        """As in the port."""
        papers = Papers.of(contract)
        verified = verify_contract(papers, self._trust, self._pins)
        with self._store.writing() as draft:
            kept: Papers = draft.write(PAPERS).setdefault(verified.agreement.id, papers)
            if Statement.parse(kept.agreement).digest() != verified.statement.digest():
                raise Conflict("contract.other", agreement=verified.agreement.id)
            if papers.termination is not None:
                _end(draft, verified.agreement.id, papers.termination)

    def terminate(self, agreement: str, termination: Statement) -> None:
        """As in the port."""
        contract = self.load(agreement)
        envelope = termination.to_bytes()
        verify_termination(envelope, contract.statement, contract.agreement, self._trust, self._pins)
        with self._store.writing() as draft:
            _end(draft, agreement, envelope)

    def turn(self, agreement: str, turn: Turn) -> None:
        """As in the port."""
        held = self.load(agreement)
        if any(each.statement.digest() == turn.statement.digest() for each in held.turns):
            return
        last = held.last_turn(turn.statement.issuer)
        with self._store.writing() as draft:
            kept: Papers = draft.read(PAPERS)[agreement]
            if Change.of(turn.statement).previous != (last.digest() if last else ""):
                raise Conflict("agreement.turned", agreement=agreement)
            turns = (*kept.turns, (turn.statement.to_bytes(), turn.proof))
            verify_turns(turns, held.statement, held.agreement, self._trust, self._pins)
            draft.write(PAPERS)[agreement] = replace(kept, turns=turns)

    def all(self) -> Sequence[Contract]:
        """As in the port."""
        with self._store.reading() as draft:
            names = [*draft.read(PAPERS)][::-1]
        found = []
        for name in names:
            try:
                found.append(self.load(name))
            except HefuError:
                continue
        return found


def _end(draft: Draft, agreement: str, envelope: bytes) -> None:
    kept: Papers = draft.read(PAPERS)[agreement]
    if kept.termination is None:  # the first end stands
        draft.write(PAPERS)[agreement] = replace(kept, termination=envelope)


def _published(draft: Draft, product: str) -> OwnProduct | None:
    mine = [
        each
        for each in draft.read(PRODUCTS).values()
        if each.product == product and each.state is not ProductState.DRAFTED
    ]
    return max(mine, key=lambda each: each.version, default=None)


def _drafted(draft: Draft, product: str) -> OwnProduct | None:
    mine = [
        each for each in draft.read(PRODUCTS).values() if each.product == product and each.state is ProductState.DRAFTED
    ]
    return mine[-1] if mine else None


def _follows(published: OwnProduct | None, description: Description) -> bool:
    if published is None:
        return description.version == 1 and description.previous is None
    return (description.version, description.previous) == (published.version + 1, published.statement.digest())


def _retire(draft: Draft, retirement: Statement) -> OwnProduct:
    product = str(retirement.body.get("product"))
    published = _published(draft, product)
    if published is None:
        raise NotFound("resource.not_found", what="product", name=product)
    if published.retirement is not None:
        if published.retirement.digest() != retirement.digest():
            raise Conflict("product.retired", product=product)
        return published
    if retirement.body.get("description") != published.statement.digest():
        raise Conflict("product.order", product=product, version=published.version)
    retired = replace(published, state=ProductState.RETIRED, retirement=retirement)
    draft.write(PRODUCTS)[published.statement.digest()] = retired
    return retired


def _need(draft: Draft, computation: str) -> OwnRequest:
    kept: OwnRequest | None = draft.read(REQUESTS).get(computation)
    if kept is None:
        raise NotFound("resource.not_found", what="computation", name=computation)
    return kept


def _need_open(kept: OwnRequest) -> None:
    if kept.fault or kept.state in FINAL:
        raise Conflict("computation.final", computation=kept.id, state=kept.fault or str(kept.state))


def _change(draft: Draft, changed: OwnRequest) -> OwnRequest:
    draft.write(REQUESTS)[changed.id] = changed
    return changed
