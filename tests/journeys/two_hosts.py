"""The story of the demo on two hosts, told inside the near one; `test_two_hosts` starts this and reads its report.

Near: the broker with its relay, the consumer, the regulator. Far: three providers behind a firewall that lets no
connection in, and later a newcomer who joins with nothing but an invitation.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hefu.terminal.commands import Output
from hefu_space import harness
from hefu_space.demo import CONSUMER, PROVIDERS, Demo
from hefu_space.products import Product
from hefu_space.space import SPACE, Member, Node, Space

from tests.journeys.hosts import FAR, NEAR, Capture, FarHost

PORTS = (7401, 7402, 7403)
SECRETS = (b"malignant", b"diagnosis", b"radius", b"SELECT", b"departure_delay", b"ComputationService", b"hefu.v1")


class TwoHosts(Space):
    """A space whose providers are on the far host and joined with an invitation."""

    def __init__(self, folder: Path, far: FarHost) -> None:
        super().__init__(folder, settings={"workers": 1})
        self.far = far
        self.relay = self._process("relay", "broker", "relay", "--dir", str(self.broker_folder))

    def found(self) -> None:
        main, enrolment, relay = (f"{NEAR}:{port}" for port in PORTS)
        self.operator.found(SPACE, main, enrolment, relay=relay)
        # A process of its own, so that contracted work goes on while the broker is down.
        settings = self.broker_folder / "broker.json"
        settings.write_text(json.dumps(json.loads(settings.read_text()) | {"relay_apart": True}))
        self.broker.start()
        self.relay.start()

    def stop(self) -> None:
        super().stop()
        self.relay.stop()

    def enrol(self, members: Sequence[Member]) -> list[Node]:
        near = super().enrol([each for each in members if each.name == CONSUMER.name])
        with ThreadPoolExecutor(4) as pool:
            far = list(pool.map(self.admit, [each for each in members if each.name != CONSUMER.name]))
        self.nodes |= {node.name: node for node in far}
        return [*far, *near]

    def admit(self, member: Member) -> Node:
        """Invite somebody on the far host, carry the file there, let them join, certify them."""
        out, folder = self.folder / f"{member.name}.invitation", self.far.folder / member.name
        roles = [word for role in member.roles for word in ("--role", role)]
        words = ("broker", "invite", member.name, *roles, "--title", member.titles[0], "--title-zh", member.titles[1])
        harness.must((*words, "--out", str(out), "--dir", str(self.broker_folder)))
        there = self.far.folder / out.name
        self.far.carry(out.read_bytes(), there)
        node = Node(member, folder, self._process(member.name, "connector", "serve", "--dir", str(folder)))
        node.process.host, node.process.environment = self.far.way, self.far.environment
        with ThreadPoolExecutor(1) as beside:
            joining = beside.submit(node.do, "connector", "join", str(there))
            if not harness.until(lambda: self._asks(member.name) or joining.done(), 60):
                raise RuntimeError(f"{member.name} does not ask")
            if not joining.done():
                self.operator.certify(member.name)
            joining.result(60)
        return node

    def _asks(self, name: str) -> bool:
        with self.operator._lock:
            return any(each.participant == name for each in self.operator._rooms().enrolments.pending())


@dataclass(slots=True)
class FarDemo(Demo):
    """The same story; only files of providers are brought to another host."""

    def _publish_one(self, product: Product) -> None:
        space = self.space
        assert isinstance(space, TwoHosts)
        node = space.nodes[product.provider]
        table, file = space.folder / f"{product.id}.csv", node.folder / f"{product.source}.yaml"
        product.extract.write(table)
        there = node.folder / "data" / f"{product.source}.csv"
        space.far.carry(table.read_bytes(), there)
        space.far.carry(product.text().encode(), file)
        node.do("source", "add", product.source, str(there))
        node.do("product", "publish", str(file))


@dataclass
class Newcomer:
    """Somebody with an empty host and an invitation; counts what they have to type."""

    space: TwoHosts
    typed: list[str] = field(default_factory=list)

    def first_release(self, product: Product) -> tuple[str, float]:
        """From the empty host to a released answer; its state, and how long it took."""
        started = time.monotonic()
        node = self.space.admit(Member("newcomer", ("Newcomer", "新成员"), ("consumer",)))
        self.typed.append("hefu connector join")
        node.process.start()
        self.typed.append("hefu connector serve")
        self.space.nodes[node.name] = node
        found = self._type(node, "catalog", "search", "departures")["products"]
        (wanted,) = [each for each in found if each["product"] == product.id]
        purpose = product.terms.purpose or "dpv:ScientificResearch"
        made = self._type(
            node, "contract", "request", wanted["product"], "--offer", product.terms.name, "--purpose", purpose
        )
        sql = f'SELECT COUNT(*) AS n FROM "{product.id}"'
        answer = self._type(node, "compute", "query", sql, "--contract", made["agreement"], "--epsilon", "0.5")
        return answer["state"], time.monotonic() - started

    def _type(self, node: Node, *words: str) -> Any:
        self.typed.append(" ".join(("hefu", *words[:2])))
        return node.do(*words)


def main(folder: Path) -> dict[str, Any]:
    """Tell everything; the report."""
    near = folder / "near"
    near.mkdir(parents=True)
    far = FarHost(folder / "far", near).up()
    report: dict[str, Any] = {"lets_in": far.lets_in(7777)}
    space, tap = TwoHosts(near, far), Capture()
    demo = FarDemo(space, Output(as_json=False, language="en"))
    try:
        demo.tell()
        report["broken"] = demo.broken
        report["endpoints"] = sorted(
            str(space.nodes[name].do("connector", "status")["endpoint"]) for name, _ in PROVIDERS
        )
        newcomer = Newcomer(space)
        automatic = next(each.product for each in reversed(demo.deals) if each.product.terms.approval != "manual")
        report["state"], report["seconds"] = newcomer.first_release(automatic)
        report["typed"] = newcomer.typed
        report["far_sees_near"] = far.run("sh", "-c", f"ls {near} | wc -l").strip().decode()
        report["near_sees_far"] = len(list((folder / "far").iterdir()))
    finally:
        space.stop()
        heard = tap.stop()
        far.down()
    report["bytes"] = len(heard)
    report["through_relay"] = heard.count(b"CONNECT ")
    report["leaked"] = [word.decode() for word in SECRETS if word in heard]
    report["far"] = FAR
    return report


if __name__ == "__main__":
    sys.stderr.write("\n")
    found = main(Path(sys.argv[1]))
    (Path(sys.argv[1]) / "report.json").write_text(json.dumps(found))
