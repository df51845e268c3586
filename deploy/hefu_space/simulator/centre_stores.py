"""What the broker keeps, in memory, behind the real ports: registry, catalog, negotiations, outbox, log."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from hefu.errors import Conflict, NotFound, Refused, Untrusted
from hefu.identity import Binding, Participant, StatusList
from hefu.tlog.tiles import Place, Tile
from hefu.tlog.tree import EMPTY_ROOT
from hefu_broker.records import (
    Card,
    Certificate,
    Entry,
    Found,
    Head,
    Kept,
    Lease,
    Listing,
    Outgoing,
    Pending,
    ResourceRecord,
    Search,
    Talk,
)
from hefu_policies.states.lifecycle import ProductState
from hefu_policies.states.negotiation import State

from hefu_space.simulator.disk import Draft, Store

OUTBOX, ENTRIES, TILES, HEAD, CHECKPOINTS, TALKS = "outbox", "entries", "tiles", "head", "checkpoints", "talks"
DIGESTS, CERTIFIED, ISSUED, BOUND, STATUS = "digests", "certified", "issued", "bound", "status"
LOGGED = "logged status"
VERSIONS, RETIRED, RESOURCES, COUNTER = "versions", "retired", "resources", "counter"
LEASES, CHARTERS, ORDERS = "leases", "charters", "orders"


class MemoryOutbox:
    """`ports.OutboxStore` in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def queue(self, outgoing: Sequence[Outgoing]) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            _queue(draft, outgoing)

    def pending(self, most: int) -> list[Pending]:
        """As in the port."""
        with self._store.reading() as draft:
            return [Pending(row, each) for row, each in list(draft.read(OUTBOX).items())[:most]]


class MemoryLog:
    """`ports.LogStore` and `ports.EntryStore` in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def head(self) -> Head:
        """As in the port."""
        with self._store.reading() as draft:
            return _head(draft)

    def append(
        self,
        lease: Lease,
        before: Head,
        rows: Sequence[int],
        entries: Sequence[Entry],
        tiles: Sequence[Tile],
        head: Head,
    ) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            _touch(draft, lease)
            if _head(draft) != before:
                raise Conflict("log.moved")
            waiting = draft.write(OUTBOX)
            for row in rows:
                waiting.pop(row, None)
            draft.write(ENTRIES).update({each.index: each for each in entries})
            draft.write(DIGESTS).update({each.outgoing.digest: each.index for each in entries})
            draft.write(TILES).update({(each.level, each.index): each.hashes for each in tiles})
            draft.write(HEAD)[0] = head

    def tiles(self, places: Collection[Place]) -> dict[Place, bytes]:
        """As in the port."""
        with self._store.reading() as draft:
            kept: Mapping[Place, bytes] = draft.read(TILES)
            return {each: kept[each] for each in places if each in kept}

    def keep_checkpoint(self, size: int, note: str) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            kept = draft.write(CHECKPOINTS)
            kept[len(kept)] = (size, note)

    def checkpoint(self) -> str | None:
        """As in the port."""
        with self._store.reading() as draft:
            newest = max(draft.read(CHECKPOINTS).values(), key=lambda each: each[0], default=None)
            return newest[1] if newest else None

    def index_of(self, leaf_hash: bytes) -> int | None:
        """As in the port."""
        with self._store.reading() as draft:
            found = (each.index for each in draft.read(ENTRIES).values() if each.leaf_hash == leaf_hash)
            return next(found, None)

    def entries(self, first: int, most: int) -> list[Entry]:
        """As in the port."""
        with self._store.reading() as draft:
            held = draft.read(ENTRIES)
            return [held[index] for index in range(first, min(first + most, len(held)))]

    def newest_of(self, issuer: str, skip: int, most: int) -> list[bytes]:
        """As in the port."""
        with self._store.reading() as draft:
            logged = [each.outgoing for _, each in sorted(draft.read(ENTRIES).items())]
            found = [*logged, *(each for _, each in sorted(draft.read(OUTBOX).items()))][::-1]
            return [each.envelope for each in found if each.issuer == issuer][skip : skip + most]


class MemoryLease:
    """`ports.LeaseStore` in memory."""

    def __init__(self, store: Store, name: str = "sequencer") -> None:
        self._store = store
        self._name = name

    def held(self) -> Lease | None:
        """As in the port."""
        with self._store.reading() as draft:
            found: Lease | None = draft.read(LEASES).get(self._name)
            return found

    def take(self, seen: Lease | None, holder: str) -> Lease | None:
        """As in the port."""
        with self._store.writing() as draft:
            if draft.read(LEASES).get(self._name) != seen:
                return None
            taken = Lease(self._name, holder, seen.epoch + 1 if seen else 1, 0)
            draft.write(LEASES)[self._name] = taken
            return taken

    def beat(self, lease: Lease) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            _touch(draft, lease)

    def release(self, lease: Lease) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            _touch(draft, lease)
            draft.write(LEASES)[self._name] = replace(draft.read(LEASES)[self._name], holder="")


class MemoryCharters:
    """`ports.CharterStore` in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def newest(self) -> bytes | None:
        """As in the port."""
        with self._store.reading() as draft:
            kept = draft.read(CHARTERS)
            return kept[len(kept)] if kept else None

    def keep(self, version: int, statement: Outgoing) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            if version != len(draft.read(CHARTERS)) + 1:
                raise Conflict("charter.version", version=len(draft.read(CHARTERS)))
            draft.write(CHARTERS)[version] = statement.envelope
            _queue(draft, [statement])


class MemoryOrders:
    """`ports.OrderStore` in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def keep(self, digest: str, number: int, order: Outgoing) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            if number != len(draft.read(ORDERS)) + 1:
                raise Conflict("log.moved")
            draft.write(ORDERS)[number] = order.envelope
            _queue(draft, [order])

    def orders(self, after: int, most: int) -> tuple[int, list[bytes]]:
        """As in the port."""
        with self._store.reading() as draft:
            kept = draft.read(ORDERS)
            return len(kept), [kept[number] for number in sorted(kept) if number > after][:most]


class MemoryTalks:
    """`ports.TalkStore` in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(self, talk: Talk, expected: int | None, outgoing: Sequence[Outgoing], most: int = 0) -> Talk:
        """As in the port."""
        with self._store.writing() as draft:
            held: Talk | None = draft.read(TALKS).get(talk.id)
            if (held.revision if held else None) != expected:
                raise Conflict("negotiation.moved", negotiation=talk.id)
            agreement = _agreement(talk)
            others = (each for each in draft.read(TALKS).values() if each.id != talk.id)
            if agreement and any(_agreement(each) == agreement for each in others):
                raise Conflict("agreement.taken")
            between = (each for each in draft.read(TALKS).values() if each.state is State.OFFERED)
            waiting = [each for each in between if (each.provider, each.consumer) == (talk.provider, talk.consumer)]
            if held is None and most and len(waiting) >= most:
                raise Refused("negotiation.unanswered", consumer=talk.consumer, most=most)
            kept = replace(talk, revision=_next(draft))
            draft.write(TALKS)[talk.id] = kept
            _queue(draft, outgoing)
            return kept

    def talk(self, id_: str) -> Talk:
        """As in the port."""
        with self._store.reading() as draft:
            for each in draft.read(TALKS).values():
                if id_ in (each.id, _agreement(each)):
                    found: Talk = each
                    return found
        raise NotFound("resource.not_found", what="negotiation", name=id_[:64])

    def page(self, party: str | None, before: int | None, size: int) -> list[Talk]:
        """As in the port."""
        found = [each for each in self._of(party) if before is None or each.revision < before]
        return sorted(found, key=lambda each: -each.revision)[:size]

    def changes(self, party: str | None, after: int, size: int) -> list[Talk]:
        """As in the port."""
        found = [each for each in self._of(party) if each.revision > after]
        return sorted(found, key=lambda each: each.revision)[:size]

    def settle(self, size: int) -> int:
        """As in the port."""
        with self._store.reading() as draft:
            if not _unsettled(draft, size):
                return 0
        with self._store.writing() as draft:
            found = sorted(_unsettled(draft, size), key=lambda each: each[1])
            for talk, index in found:
                draft.write(TALKS)[talk.id] = replace(talk, index=index, revision=_next(draft))
            return len(found)

    def _of(self, party: str | None) -> list[Talk]:
        with self._store.reading() as draft:
            return [each for each in draft.read(TALKS).values() if party is None or party in each.parties]


class MemoryRegistry:
    """`ports.RegistryStore` and `ports.LookupStore` in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def statements(self, at: datetime, after: int = -1) -> Kept:
        """As in the port."""
        with self._store.reading() as draft:
            certified = [each.envelope for number, each in draft.read(CERTIFIED).values() if number > after]
            bound = sorted(draft.read(BOUND).values(), key=lambda each: each[0].not_after)
            valid = [each.envelope for binding, each, number in bound if binding.not_after >= at and number > after]
            status = [envelope for _, envelope, number in draft.read(STATUS).values() if number > after]
            revision: int = draft.read(COUNTER).get(CERTIFIED, 0)
            return Kept(revision, (*certified, *valid, *status))

    def certify(self, participant: Participant, certification: Outgoing, enrolment: str | None) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            if participant.id in draft.read(CERTIFIED):
                raise Conflict("participant.taken", participant=participant.id)
            draft.write(CERTIFIED)[participant.id] = (_next(draft, CERTIFIED), certification)
            _queue(draft, [certification])

    def issued(self, certificate: Certificate) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            draft.write(ISSUED)[certificate.fingerprint] = certificate

    def bind(self, binding: Binding, statement: Outgoing) -> Certificate:
        """As in the port."""
        with self._store.writing() as draft:
            held: Certificate | None = draft.read(ISSUED).get(binding.fingerprint)
            mine = held and (held.participant, held.connector, held.not_after)
            if held is None or mine != (binding.participant, binding.connector, binding.not_after):
                raise Untrusted("certificate.foreign", participant=binding.participant)
            if (binding, statement) != draft.read(BOUND).get(binding.fingerprint, ())[:2]:
                draft.write(BOUND)[binding.fingerprint] = (binding, statement, _next(draft, CERTIFIED))
                _queue(draft, [statement])
            return held

    def replace_status(self, status: StatusList, statement: Outgoing, *, logged: bool) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            held = draft.read(STATUS).get(0, (0, b"", 0))
            if held[0] != status.sequence - 1:
                raise Conflict("status.changed")
            draft.write(STATUS)[0] = (status.sequence, statement.envelope, _next(draft, CERTIFIED))
            if logged:
                draft.write(LOGGED)[0] = statement.envelope
                _queue(draft, [statement])

    def certificate(self, fingerprint: str) -> Certificate | None:
        """As in the port."""
        with self._store.reading() as draft:
            found: Certificate | None = draft.read(ISSUED).get(fingerprint)
            return found

    def holder(self, connector: str) -> str | None:
        """As in the port."""
        with self._store.reading() as draft:
            return next((each.participant for each in draft.read(ISSUED).values() if each.connector == connector), None)

    def opened(self, token: str) -> None:
        """As in the port; nobody comes here by a token."""

    def status(self) -> bytes | None:
        """As in the port."""
        with self._store.reading() as draft:
            held: tuple[int, bytes, int] | None = draft.read(STATUS).get(0)
            return held[1] if held else None

    def logged_status(self) -> bytes | None:
        """As in the port."""
        with self._store.reading() as draft:
            found: bytes | None = draft.read(LOGGED).get(0)
            return found


class MemoryCatalog:
    """`ports.CatalogStore` in memory; a search looks for every word anywhere."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def publish(self, listing: Listing, previous: str | None, words: tuple[str, str, str], outgoing: Outgoing) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            versions: list[tuple[Listing, str]] = draft.read(VERSIONS).get(listing.product, [])
            newest = versions[-1][0] if versions else None
            if newest is not None and newest.provider != listing.provider:
                raise Conflict("product.taken", product=listing.product)
            if listing.product in draft.read(RETIRED):
                raise Conflict("product.unlisted", product=listing.product)
            if (newest.digest if newest else None) != previous:
                version = newest.description.version if newest else 0
                raise Conflict("product.version", product=listing.product, version=version)
            for each in listing.resources():
                _hold(draft, each)
            draft.write(VERSIONS)[listing.product] = [*versions, (listing, " ".join(words))]
            _queue(draft, [outgoing])

    def retire(self, product: str, retirement: Outgoing) -> Listing:
        """As in the port."""
        with self._store.writing() as draft:
            _listing(draft, product, None)
            if product not in draft.read(RETIRED):
                draft.write(RETIRED)[product] = retirement
                _queue(draft, [retirement])
            return _listing(draft, product, None)

    def listing(self, product: str, description: str | None = None) -> Listing:
        """As in the port."""
        with self._store.reading() as draft:
            return _listing(draft, product, description)

    def search(self, query: Search, skip: int, size: int) -> Found:
        """As in the port."""
        with self._store.reading() as draft:
            found = [
                versions[-1][0]
                for name, versions in sorted(draft.read(VERSIONS).items())
                if name not in draft.read(RETIRED)
            ]
        seen = [each for each in found if not query.provider or each.provider == query.provider]
        cards = [Card(each.product, each.provider, each.statement.to_bytes()) for each in seen]
        return Found(tuple(cards[skip : skip + size]), len(cards))

    def resource(self, id_: str) -> ResourceRecord | None:
        """As in the port."""
        with self._store.reading() as draft:
            found: ResourceRecord | None = draft.read(RESOURCES).get(id_)
            return found


def _queue(draft: Draft, outgoing: Iterable[Outgoing]) -> None:
    """Queue what is neither queued nor logged."""
    known = {each.digest for each in draft.read(OUTBOX).values()}
    for each in outgoing:
        if each.digest not in known and each.digest not in draft.read(DIGESTS):
            known.add(each.digest)
            draft.write(OUTBOX)[_next(draft, OUTBOX)] = each


def _next(draft: Draft, name: str = TALKS) -> int:
    counters = draft.write(COUNTER)
    counters[name] = counters.get(name, 0) + 1
    value: int = counters[name]
    return value


def _touch(draft: Draft, lease: Lease) -> None:
    held: Lease | None = draft.read(LEASES).get(lease.name)
    if held is None or (held.epoch, held.holder) != (lease.epoch, lease.holder):
        raise Conflict("log.moved")
    draft.write(LEASES)[lease.name] = replace(held, beat=held.beat + 1)


def _head(draft: Draft) -> Head:
    found: Head = draft.read(HEAD).get(0, Head(0, EMPTY_ROOT))
    return found


def _agreement(talk: Talk) -> str:
    return str(talk.agreement.body["agreement"]) if talk.agreement else ""


def _unsettled(draft: Draft, size: int) -> list[tuple[Talk, int]]:
    found = []
    for talk in draft.read(TALKS).values():
        if talk.countersignature is None or talk.index is not None:
            continue
        index = draft.read(DIGESTS).get(Outgoing.of(talk.countersignature).digest)
        if index is not None and index < size:
            found.append((talk, index))
    return found


def _hold(draft: Draft, resource: ResourceRecord) -> None:
    held: ResourceRecord = draft.write(RESOURCES).setdefault(resource.id, resource)
    if held.provider != resource.provider:
        raise Refused("resource.promised", resource=resource.id)
    if replace(held, lifetime=resource.lifetime) != resource or not resource.lifetime.fits(held.lifetime):
        raise Refused("resource.promised", resource=resource.id)


def _listing(draft: Draft, product: str, description: str | None) -> Listing:
    versions: list[tuple[Listing, str]] = draft.read(VERSIONS).get(product, [])
    for listing, _ in reversed(versions):
        if description is None or listing.digest == description:
            retired = product in draft.read(RETIRED)
            return replace(listing, state=ProductState.RETIRED if retired else ProductState.LISTED)
    raise NotFound("resource.not_found", what="product", name=product[:64])
