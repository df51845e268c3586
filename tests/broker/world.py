"""A small space for the broker's tests: real keys, real storage, a clock that tests set; no network."""

from __future__ import annotations

import copy
import shutil
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hefu import canonical, identity
from hefu.canonical import Object
from hefu.envelope import Statement, draft, new_id
from hefu.identity import Binding
from hefu.membership import enrolment
from hefu.membership.enrolment import KeyRing
from hefu.space import SpaceFile
from hefu_broker.bootstrap import open_rooms
from hefu_broker.founding import read_root, sign_as_root
from hefu_broker.rooms import Rooms
from hefu_policies.agreeing.changes import read
from hefu_policies.agreeing.contract import (
    AGREEMENT,
    Column,
    ContractRequest,
    Description,
    Offer,
    Privacy,
    Resource,
    Visibility,
    agreement_from,
)
from hefu_policies.agreeing.request import OpeningOffer
from hefu_policies.budget import Budget
from hefu_policies.library import template
from sqlalchemy import text

from tests.postgresql import PostgreSQL

BOTH = ("sqlite", "postgresql")  # a module with ``KINDS = BOTH`` runs on both databases

POLICY = template(
    "research-statistics",
    {
        "purpose": "dpv:ScientificResearch",
        "epsilon": "0.5",
        "min_group": 50,
        "columns": ["age"],
        "until": "2027-11-21T00:00:00Z",
        "count": 10,
        "budget": "1",
    },
)
START = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)


@dataclass
class SetClock:
    """A clock that stands until a test moves it."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def move(self, **step: float) -> None:
        self.at += timedelta(**step)


@dataclass
class Person:
    """A certified participant with its keys."""

    ring: KeyRing
    caller: Binding
    space: str
    clock: SetClock

    @property
    def id(self) -> str:
        return self.ring.participant

    def says(self, type_: str, body: Object, **changes: Any) -> bytes:
        """A signed statement of this participant; changes are of the draft, such as another issuer."""
        fields = {"space": self.space, "issuer": self.id, "at": self.clock.now()} | changes
        return draft(type_, body, **fields).sign(self.ring.signer(), self.clock.now()).to_bytes()

    def signs(self, statement: Statement) -> Statement:
        """A statement with this participant's signature more."""
        return statement.sign(self.ring.signer(), self.clock.now())


@dataclass
class World:
    """A founded space with its rooms open."""

    folder: Path
    root: Path
    clock: SetClock
    rooms: Rooms
    _people: dict[str, Person] = field(default_factory=dict)
    server: PostgreSQL | None = None
    template: str = ""  # what the server's database was copied from

    @property
    def callers(self) -> dict[str, Binding]:
        """Who is in the space, to be carried over into a copy of its folder."""
        return {name: each.caller for name, each in self._people.items()}

    def settle_in(self, callers: dict[str, Binding]) -> World:
        """Take over people of the space that this one's folder is a copy of."""
        for name, caller in callers.items():
            self._people[name] = Person(self.ring(name), caller, self.space.space, self.clock)
        return self

    @property
    def space(self) -> SpaceFile:
        return self.rooms.space

    def ring(self, name: str) -> KeyRing:
        ring = KeyRing(name, f"{name}-conn", self.root.parent / f"keys-{name}")
        if not ring.folder.exists():
            ring.make()
        return ring

    def asked(self, name: str, *roles: str, **changes: Any) -> Statement:
        """A signed enrolment request."""
        ring = self.ring(name)
        made = enrolment.request(ring, self.space, {"en": name, "zh": name}, frozenset(roles), self.clock)
        if changes:
            at = self.clock.now()
            made = draft(made.type, made.body | changes, space=made.space, issuer=made.issuer, at=at)
            made = made.sign(ring.signer(), at)
        return made

    def person(self, name: str, *roles: str) -> Person:
        """A participant that enrolled, was certified by the root, and bound its certificate."""
        if name in self._people:
            return self._people[name]
        ring, rooms = self.ring(name), self.rooms
        token = rooms.enrolments.invite(name, frozenset(roles))
        opened = rooms.enrolments.enroll(token, self.asked(name, *roles).to_bytes(), ring.csr())
        self.certify(opened.id)
        issued = rooms.registry.issue(name, ring.connector, ring.csr())
        caller = rooms.registry.authenticate(issued.fingerprint)
        bound = Binding(name, ring.connector, issued.der, "127.0.0.1:1", issued.not_after)
        person = Person(ring, caller, self.space.space, self.clock)
        rooms.registry.bind(caller, person.says(identity.BOUND, bound.body()))
        person.caller = rooms.registry.authenticate(issued.fingerprint)
        self._people[name] = person
        return person

    def certify(self, enrolment_id: str) -> None:
        signed = sign_as_root(self.rooms.enrolments.draft(enrolment_id), read_root(self.root), self.clock)
        self.rooms.enrolments.certify(enrolment_id, signed.to_bytes())

    def reopen(self) -> Rooms:
        """As after a crash: nothing in memory survives."""
        self.rooms.database.close()
        self.rooms = open_rooms(self.folder, self.clock, serving=True)
        return self.rooms

    def close(self) -> None:
        """Nothing is held any more; a database of a server is given back."""
        self.rooms.database.close()
        if self.server:
            self.server.take_back(self.rooms.settings.database, self.template)

    def back_up(self) -> str:
        """A copy of the database as it is now, by name; nobody uses the database afterwards until `reopen`."""
        self.rooms.database.close()
        if self.server:
            return self.server.database(self.rooms.settings.database)
        shutil.copytree(self.folder, self.folder.parent / "backup")
        return str(self.folder.parent / "backup")

    def restore(self, backup: str) -> None:
        """Put a copy back in the place of the database."""
        self.rooms.database.close()
        if self.server:
            self.server.replace(self.rooms.settings.database, backup)
            return
        for name in ("broker.db", "broker.db-wal", "broker.db-shm"):
            (self.folder / name).unlink(missing_ok=True)
            if (Path(backup) / name).exists():
                shutil.copy(Path(backup) / name, self.folder / name)

    def tamper(self, statement: str, **values: Any) -> None:
        """Do something to the database by hand, as its administrator could."""
        with self.rooms.database.engine.begin() as connection:
            connection.execute(text(statement), values)

    def sequenced(self) -> None:
        """Everything that waits is in the log and published."""
        if not self.rooms.sequencer.is_open:
            self.rooms.sequencer.recover()
        while self.rooms.sequencer.sequence():
            pass
        self.rooms.sequencer.publish()


def description(product: str = "prd-diabetes", **changes: Any) -> Description:
    """A data product over one resource."""
    resource = Resource(
        changes.pop("resource", "res-visits"),
        (Column("patient", "integer"), Column("age", "integer", description={"zh": "年龄"})),
        changes.pop("privacy", Privacy("patient", 3, Budget.of_text("10", "1e-6", releases=1000))),
    )
    offer = Offer(
        "off-research",
        POLICY,
        Budget.of_text("1", "0", releases=10),
        changes.pop("visibility", Visibility()),
    )
    plain = Description(
        product=product,
        version=1,
        title={"en": "Diabetes visits", "zh": "糖尿病门诊"},
        description={"en": "Visits of patients", "zh": "华东地区患者就诊记录"},
        keywords=("diabetes", "门诊"),
        resources=(resource,),
        offers=(offer,),
    )
    return replace(plain, **changes)


def only_for(*roles: str, action: str = "") -> Offer:
    """An offer for participants of a role; or, with an action forbidden to all others."""
    about: Object = {
        "leftOperand": "hefu:role",
        "operator": "isNoneOf" if action else "isAnyOf",
        "rightOperand": [{"@id": f"hefu:{each}"} for each in roles],
    }
    policy = copy.deepcopy(POLICY)
    if action:
        policy["prohibition"] = [{"action": action, "constraint": [about]}]
    else:
        policy["permission"][0]["constraint"].append(about)  # type: ignore[index,union-attr,call-overload]
    return replace(description().offers[0], policy=policy)


def publish(world: World, provider: Person, one: Description) -> Statement:
    """Publish a product; its statement."""
    data = provider.says("product.published", one.body())
    world.rooms.catalog.publish(provider.caller, data)
    return Statement.parse(data)


@dataclass
class Deal:
    """A negotiation under way, with real messages; each step can be sent, or spoiled first."""

    world: World
    provider: Person
    consumer: Person
    product: Statement
    id: str = field(default_factory=lambda: new_id("neg"))
    agreement_id: str = field(default_factory=lambda: new_id("agr"))
    messages: list[Statement] = field(default_factory=list)
    agreement: Statement | None = None

    def previous(self) -> list[Any]:
        return [each.digest() for each in self.messages]

    def send(self, who: Person, data: bytes) -> Any:
        talk = self.world.rooms.contracts.advance(who.caller, data)
        message = Statement.parse(data)
        if message.digest() not in self.previous():
            self.messages.append(message)
        return talk

    def request(self, **changes: Any) -> bytes:
        request = ContractRequest(
            negotiation=self.id,
            provider=self.provider.id,
            consumer=self.consumer.id,
            connector=self.consumer.ring.connector,
            product=str(self.product.body["product"]),
            description=self.product.digest(),
            offer="off-research",
            purpose="dpv:ScientificResearch",
        )
        return self.consumer.says("negotiation.requested", request.body() | changes)

    def opening_body(self, terms: dict[str, str]) -> Object:
        return OpeningOffer(
            self.id, self.provider.id, self.consumer.id, str(self.product.body["product"]), self.product.digest(),
            "off-research", self.terms(terms),
        ).body()  # fmt: skip

    def opening(self, terms: dict[str, str], **changes: Any) -> bytes:
        """The provider begins, with an offer to the consumer."""
        return self.provider.says("negotiation.offered", self.opening_body(terms) | changes)

    def counter_request(self, terms: dict[str, str], **changes: Any) -> bytes:
        """A further request on other terms, as a person would write them."""
        return self.request(**({"changes": self.terms(terms), "previous": self.previous()} | changes))

    def counter_offer(self, terms: dict[str, str], **changes: Any) -> bytes:
        """The provider's answer with terms of its own."""
        body: Object = {
            "negotiation": self.id, "previous": self.previous(), "changes": self.terms(terms), "reason": "so far",
        }  # fmt: skip
        return self.provider.says("negotiation.offered", body | changes)

    def accepted(self, **changes: Any) -> bytes:
        return self.consumer.says(
            "negotiation.accepted", {"negotiation": self.id, "previous": self.previous()} | changes
        )

    def terms(self, texts: dict[str, str]) -> Object:
        """Changes of the offer that is negotiated."""
        return read(Description.of(self.product.body).offers[0], texts)

    def offered(self, **changes: Any) -> Statement:
        """The agreement with the provider's signature."""
        agreed = agreement_from(
            self.product,
            self.messages[0],
            agreement=self.agreement_id,
            strategy=f"str-{self.agreement_id[4:]}",
            connector=self.provider.ring.connector,
            log=self.world.space.log_origin,
            at=self.world.clock.now(),
            rounds=self.messages[1:],
        )
        body = agreed.body() | changes
        made = draft(AGREEMENT, body, space=self.provider.space, issuer=self.provider.id, at=self.world.clock.now())
        return self.provider.signs(made)

    def agreed(self, agreement: Statement | None = None, **changes: Any) -> bytes:
        self.agreement = agreement or self.offered()
        return self.provider.says("negotiation.agreed", self._holding(self.agreement) | changes)

    def verified(self, agreement: Statement | None = None) -> bytes:
        if agreement is None:
            assert self.agreement is not None
            self.agreement = agreement = self.consumer.signs(self.agreement)
        return self.consumer.says("negotiation.verified", self._holding(agreement))

    def finalized(self, **changes: Any) -> bytes:
        assert self.agreement is not None
        body: Object = {"negotiation": self.id, "previous": self.previous(), "agreement": self.agreement.digest()}
        return self.provider.says("negotiation.finalized", body | changes)

    def terminated(self, who: Person) -> bytes:
        body: Object = {
            "negotiation": self.id,
            "previous": self.previous(),
            "code": "withdrawn",
            "reason": "plans changed",
        }
        return who.says("negotiation.terminated", body)

    def ended(self, who: Person, **changes: Any) -> bytes:
        assert self.agreement is not None
        body: Object = {
            "agreement": self.agreement_id,
            "digest": self.agreement.digest(),
            "code": "ended",
            "reason": "no longer needed",
        }
        return who.says("agreement.terminated", body | changes)

    def reach(self, state: str) -> Any:
        """Send messages until the state is reached."""
        steps = {
            "REQUESTED": lambda: self.send(self.consumer, self.request()),
            "OFFERED": lambda: self.send(self.provider, self.counter_offer({"epsilon": "0.4"})),
            "ACCEPTED": lambda: self.send(self.consumer, self.accepted()),
            "AGREED": lambda: self.send(self.provider, self.agreed()),
            "VERIFIED": lambda: self.send(self.consumer, self.verified()),
            "FINALIZED": lambda: self.send(self.provider, self.finalized()),
        }
        talk = None
        for name, step in steps.items():
            if name in ("OFFERED", "ACCEPTED") and state not in ("OFFERED", "ACCEPTED"):
                continue  # an agreement needs no counter-offer
            talk = step()
            if name == state:
                break
        return talk

    def _holding(self, agreement: Statement) -> Object:
        whole = canonical.decode_object(agreement.to_bytes())
        return {"negotiation": self.id, "previous": self.previous(), "agreement": whole}
