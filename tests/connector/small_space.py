"""A whole space on one machine for tests: the real broker and real connectors, each in its folder, over real TLS."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from hefu.canonical import Object
from hefu.errors import HefuError
from hefu.space import SpaceFile
from hefu.times import SystemClock
from hefu_broker import bell
from hefu_broker.bootstrap import Server
from hefu_broker.founding import Addition, add, found, read_root, sign_as_root
from hefu_broker.founding import Plan as Founding
from hefu_connector import setup
from hefu_connector.bootstrap import build
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.membership import enrolling
from hefu_connector.running import Connector
from hefu_connector.settings import Home, Settings
from hefu_connector.shelves import SourceRecord
from hefu_policies.budget import Budget, PrivacyLoss
from hefu_policies.goods.product import Description, Offer
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource
from hefu_policies.library import template

PURPOSE = "dpv:ScientificResearch"
Found = TypeVar("Found")


@dataclass
class Space:
    """A space that runs; `close` ends everything.

    Attributes:
        server: the broker; None while it is down.
        relay: where the broker relays; empty for a space without.
    """

    folder: Path
    server: Server | None = None
    relay: str = ""
    connectors: dict[str, Connector] = field(default_factory=dict)

    @property
    def broker_folder(self) -> Path:
        return self.folder / "broker"

    def open(self) -> Space:
        """Found the space and serve it."""
        founding = Founding(
            folder=self.broker_folder,
            root=self.folder / "root",
            space="demo",
            address="127.0.0.1:0",
            enrolment="127.0.0.1:0",
            log_origin="example.org/demo",
            relay=self.relay,
        )
        found(founding, SystemClock())
        self.start_broker()
        return self

    def start_broker(self) -> Server:
        self.server = Server(self.broker_folder)
        self.server.start()
        return self.server

    def stop_broker(self) -> None:
        if self.server is not None:
            self.server.stop(0.1)
            self.server = None

    def add_space(self, id_: str) -> None:
        """A further space of the broker, which takes it in while it runs."""
        assert self.server is not None
        server = self.server
        add(self.broker_folder, Addition(self.folder / f"root-{id_}", id_, f"example.org/{id_}"), SystemClock())
        bell.ring(self.broker_folder)
        assert eventually(lambda: id_ in server.spaces)

    def enrol(
        self,
        name: str,
        *roles: str,
        listen: str | None = "127.0.0.1:0",
        space: str = "",
        beside: str = "",
        **settings: object,
    ) -> Path:
        """A connector's directory, enrolled and certified, not yet running; of another space it is ``name@space``."""
        assert self.server is not None
        directory = self.folder / (f"{name}@{space}" if space else name)
        rooms = self.server.spaces.space(space) if space else self.server.rooms
        plan = setup.Plan(name, f"{name}-c1", {"en": name}, frozenset(roles), listen)
        plan = replace(plan, beside=self.folder / beside if beside else None)
        setup.init(directory, rooms.folder / "space.json", plan)
        home, asked = Home(directory), {"workers": 1, **settings}  # each that waits costs half a second to start
        replace(Settings.read(home), **asked).write(home)  # type: ignore[arg-type]
        enrolment = enrolling.Enrolment(directory)
        enrolment.submit(rooms.enrolments.invite(name, frozenset(roles)))
        (opened,) = [each for each in rooms.enrolments.pending() if each.participant == name]
        drafted = rooms.enrolments.draft(opened.id)
        signed = sign_as_root(drafted, read_root(self.folder / (f"root-{space}" if space else "root")), SystemClock())
        rooms.enrolments.certify(opened.id, signed.to_bytes())
        assert enrolment.poll()
        return directory

    def start(self, name: str) -> Connector:
        """Run the connector of an enrolled participant."""
        connector = build(self.folder / name)
        self.connectors[name] = connector
        connector.start()
        return connector

    def stop(self, name: str) -> None:
        self.connectors.pop(name).stop(0.2)

    def member(
        self,
        name: str,
        *roles: str,
        listen: str | None = "127.0.0.1:0",
        space: str = "",
        beside: str = "",
        **settings: object,
    ) -> Connector:
        """Enrol a participant and run its connector."""
        return self.start(self.enrol(name, *roles, listen=listen, space=space, beside=beside, **settings).name)

    @property
    def file(self) -> SpaceFile:
        return SpaceFile.read(self.broker_folder / "space.json")

    def close(self) -> None:
        for name in list(self.connectors):
            self.stop(name)
        self.stop_broker()


def eventually(look: Callable[[], Found], seconds: float = 20.0, every: float = 0.05) -> Found:
    """What `look` gives once it is true; until then it is asked again. HefuErrors count as not yet."""
    pause, found = threading.Event(), None
    for _ in range(int(seconds / every)):
        with suppress(HefuError):
            found = look()
        if found:
            return found
        pause.wait(every)
    found = look()
    assert found, "it did not happen in time"
    return found


def write_table(folder: Path, rows: int = 400) -> Path:
    """A table of made-up patients."""
    lines = [f"p{i},{20 + i % 60},{'north' if i % 4 else 'south'}" for i in range(rows)]
    path = folder / "visits.csv"
    path.write_text("\n".join(["patient,age,region", *lines]) + "\n")
    return path


def description(resource: str, product: str, **changes: object) -> Description:
    """A data product over that table, under one offer."""
    columns = (
        Column("patient", "text", sensitivity="personal"),
        Column("age", "integer", unit="year", bounds=Bounds(Decimal(0), Decimal(120), Decimal(1))),
        Column("region", "text", categories=("north", "south")),
    )
    asset = Resource(resource, columns, Privacy("patient", 1, Budget.of_text("20", releases=100)))
    members: dict[str, object] = {
        "product": product,
        "version": 1,
        "title": {"en": "Visits", "zh": "就诊记录"},
        "resources": (asset,),
        "offers": (offer(),),
    }
    return Description(**(members | changes))  # type: ignore[arg-type]


def offer(**changes: object) -> Offer:
    """An offer for research that needs no approval."""
    policy = template(
        "research-statistics",
        {
            "purpose": PURPOSE, "epsilon": "1", "min_group": 5, "columns": ["age", "region"],
            "until": "2036-01-01T00:00:00Z", "count": 50, "budget": "5",
        },
    )  # fmt: skip
    members: dict[str, object] = {"id": "off-research", "policy": policy, "budget": Budget.of_text("5", releases=50)}
    return Offer(**(members | changes))  # type: ignore[arg-type]


def plan(product: str, epsilon: str = "0.5", **changes: object) -> Object:
    """Patients a region, and their mean age."""
    members: dict[str, object] = {
        "product": product,
        "aggregates": (Aggregate("count", "n"), Aggregate("mean", "age_mean", "age")),
        "loss": PrivacyLoss.of_text(epsilon),
        "group_by": ("region",),
    }
    return Plan(**(members | changes)).body()  # type: ignore[arg-type]


def provide(provider: Connector, folder: Path, product: str = "prd-visits", **changes: object) -> Description:
    """Register the table as a source and publish a product over it."""
    source = SourceRecord("visits", "", str(write_table(folder)), "csv")
    resource = provider.desk.book.add(source).resource
    return eventually(lambda: provider.provider.publish(description(resource, product, **changes))).description


def agree(provider: Connector, consumer: Connector, product: str, offer_id: str = "off-research") -> str:
    """Negotiate an offer to the end; returns the agreement's id once it is in force on both sides."""
    asked = eventually(lambda: consumer.consumer.request(product, offer_id, PURPOSE, "rui"))

    def in_force() -> str:
        held = [
            {each.agreement.id for each in side.agreements.all() if each.agreement.negotiation == asked.id}
            for side in (provider, consumer)
        ]
        return next(iter(held[0] & held[1]), "")

    return eventually(in_force)
