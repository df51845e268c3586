"""Each question of an auditor over a large log: how long the verified copy takes, and each answer from it.

The log is made of real statements, each signed: certifications, products, contracts, requests, receipts, refusals,
failures, deliveries with their uses and deletions; nothing in it is a fault. Signing runs in processes. Then
`hefu_audit.following` verifies all of it into a copy, as ``hefu audit fetch`` does, and every question is asked, cold
(a new process' cache) and warm.

    python benchmarks/questions.py --entries 1000000      # the figures; minutes, and about 4 GB of disk
    python benchmarks/questions.py --entries 20000        # a look
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.evidence.bundle import BundleEntry
from hefu.statements.delivery import DELETED, USED, Deleted, Kept, Used
from hefu.statements.receipt import Link, Noise, Receipt, Released, Spent
from hefu.times import SystemClock, write_time
from hefu.tlog import checkpoint, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu_audit.commands.asking import given
from hefu_audit.following import follow
from hefu_audit.home import Home
from hefu_audit.index import Index
from hefu_audit.questions.answer import ask
from hefu_audit.questions.table import QUESTIONS
from hefu_policies.library import template
from hefu_policies.proving.replay import write_facts

from tests.audit.asked import Told
from tests.protocol.small_log import CONSUMER, PRODUCT, PROVIDER, RESOURCE

CONTRACTS = 200
LARGE = Spent(10**15, 0, 10**9)
STEP = 10  # entries of one turn: see `_turn`
PURPOSE = "dpv:ScientificResearch"
COMMITMENT = "hmac-sha256:" + hashlib.sha256(b"a value and its salt").hexdigest()
COMMON: Any = {"purpose": PURPOSE, "columns": ["age"], "until": "2036-01-01T00:00:00Z", "count": 1000}


def _policy() -> Object:
    """Statistics, and samples of rows: two templates in one policy."""
    counted: Any = template("research-statistics", COMMON | {"epsilon": "9", "min_group": 5, "budget": "1000"})
    delivered: Any = template("delivery-sampled", COMMON | {"rows": 10, "keep": "P1D", "share": "0.1"})
    for each in counted["permission"][0]["constraint"]:
        del each["@id"]  # both have one of the same name
    both = {name: [*counted[name], *delivered[name]] for name in ("permission", "prohibition")}
    return {**delivered, **both}


class Parted(Told):
    """A log whose journals are of one connector a process."""

    part = 0
    sequence = said = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.policy = _policy()
        self.contracts: list[list[tuple[Any, Any]]] = []
        self.held: list[bytes] = []

    def journalled(self, type_: str, end: Any, link: Link | None = None) -> Any:
        previous = canonical.digest(self.journal[-1]) if self.journal else ""
        if not isinstance(end, Receipt):
            end = replace(end, agreements=(str(self.agreement.body["agreement"]),))
        link = Link(self.sequence, previous, f"{PROVIDER}-{self.part}")
        self.sequence += 1
        statement = self.say(type_, end.linked(link).body(), PROVIDER)
        self.journal = [self.entries[-1]]
        return statement

    @property
    def clause(self) -> str:
        return "urn:rule:statistics"

    def strategy(self) -> Object:
        return super().strategy() | {"enforced_by": f"{PROVIDER}-{self.part}"}

    def say(self, type_: str, body: Object, issuer: str, *signers: str) -> Any:
        parties: Any = body.get("parties") if type_ == "agreement" else None
        for each in parties or ():
            each["connector"] = f"{each['participant']}-{self.part}"
        return super().say(type_, body, issuer, *signers)


def _turn(log: Parted, number: int) -> None:
    """Ten entries: requests, releases, a refusal, a failure, a delivery that is used and deleted."""
    for each in range(2):
        name = f"cmp-{number}-{each}"
        asked: Object = {"computation": name, "agreements": [log.agreement.body["agreement"]], "purpose": PURPOSE}
        request = log.say("computation.requested", asked, CONSUMER)
        made = replace(log.receipt(name, 1000), request=request.digest(), mechanisms=(Noise("n", "x", "20", 1000),))
        log.journalled("computation.sealed", made)
    log.journalled("computation.sealed", log.receipt(f"cmp-{number}-c", 1000))
    log.refuse(f"cmp-{number}-d")
    log.fail(f"cmp-{number}-e", 1000)
    sealed = _deliver(log, f"cmp-{number}-f")
    kept = Kept(f"cmp-{number}-f", (log.agreement.body["agreement"],), sealed.digest())
    facts = write_facts({"purpose": PURPOSE, "dateTime": log.at, "recipient": CONSUMER, "processing": "sampled"})
    used = Used(kept, "odrl:read", "urn:rule:read", facts, {"user": COMMITMENT})
    for kind, told in ((USED, used), (DELETED, Deleted(kept, "retention", 1, 1))):
        previous = canonical.digest(log.held[-1]) if log.held else ""
        log.said += 1
        log.say(kind, told.linked(Link(log.said - 1, previous, f"{CONSUMER}-{log.part}")).body(), CONSUMER)
        log.held = [log.entries[-1]]


def _deliver(log: Parted, name: str) -> Statement:
    """Rows that must be deleted within a day."""
    made = log.receipt(name, 0)
    facts = write_facts({
        "operation": "hefu:deliver", "purpose": PURPOSE, "column": frozenset({"age"}), "epsilon": Decimal(0),
        "delta": Decimal(0), "count": 1, "dateTime": log.at, "outputKind": "Rows", "outputRows": 3,
        "recipient": CONSUMER, "processing": "sampled", "share": Decimal("0.1"),
    })  # fmt: skip
    facts["deadline"] = write_time(log.at + timedelta(days=1))
    under = tuple(replace(each, clause="urn:rule:deliver") for each in made.agreements)
    rows = replace(made, charge=Spent(0, 0, 1), mechanisms=(), output=Released("Rows", 3, 0), facts=facts,
                   commitments={"content": COMMITMENT}, agreements=under)  # fmt: skip
    return log.journalled("computation.sealed", rows)


def _part(log: Parted, part: int, turns: int, out: Path) -> None:
    """One process' entries, into a file; its journals are of connectors of its own."""
    log.part = part
    log.at += timedelta(seconds=part)
    with out.open("wb") as file:
        for number in range(turns):
            log.entries = []
            log.agreement, log.description = log.contracts[part][number % CONTRACTS]
            _turn(log, part * 10_000_000 + number)
            for each in log.entries:
                file.write(len(each).to_bytes(4, "big") + each)


def _begin(processes: int) -> Parted:
    log = Parted()
    for name, role in (("broker", "operator"), (PROVIDER, "provider"), (CONSUMER, "consumer")):
        log.certify(name, role)
    log.publish(LARGE)
    for part in range(processes):
        log.part = part
        log.contracts.append([])
        for number in range(CONTRACTS):
            log.agree(id_=f"agr-{part}-{number}", limit=LARGE)
            log.finalize()
            log.contracts[part].append((log.agreement, log.description))
    return log


class Files:
    """`hefu_audit.ports.LogReader` over the files of the parts, a turn of each after the other, as their times go."""

    def __init__(self, log: Parted, paths: Sequence[Path]) -> None:
        self.log, self.paths = log, paths
        self.leaves: list[bytes] = []
        for entry in self._all():
            self.leaves.append(entry.leaf_hash)
        self._open = self._all()

    def _all(self) -> Iterator[BundleEntry]:
        number = 0
        for each in self.log.entries:
            yield BundleEntry.whole(number, each)
            number += 1
        with ExitStack() as opened:
            files = [opened.enter_context(each.open("rb")) for each in self.paths]
            while files[0].peek(1):
                for file in files:
                    for _ in range(STEP):
                        yield BundleEntry.whole(number, file.read(int.from_bytes(file.read(4), "big")))
                        number += 1

    def checkpoint(self) -> str:
        head = Checkpoint(self.log.space.log_origin, len(self.leaves), tree.root(self.leaves))
        return checkpoint.sign(head, self.log.log_key, self.log.log_signer.sign)

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        return tree.consistency_proof(old, new, tree.reader(self.leaves[:new]))

    def entries(self, first: int) -> Sequence[BundleEntry]:
        page = []
        for entry in self._open:
            page.append(entry)
            if len(page) == 1000:
                break
        return page


ASKED: dict[str, dict[str, Any]] = {
    "history": {"agreement": "agr-0-1"}, "usage": {"product": PRODUCT}, "lineage": {"computation": "cmp-0-0"},
    "budget": {"asset": RESOURCE}, "reconcile": {"one": PROVIDER, "other": CONSUMER},
    "processing": {"organisation": PROVIDER}, "absent": {"event": "cmp-never"}, "sample": {"n": 50, "seed": "x"},
    "visible": {"product": PRODUCT}, "did": {"organisation": PROVIDER}, "version": {"version": f"{PRODUCT}:1"},
    "in-force": {"policy": "str-one"},
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), arguments.entries, arguments.processes)


def run(folder: Path, wanted: int, processes: int) -> None:
    base = _begin(processes)
    home = Home.make(folder / "auditor", base.space, "regulator-a", "regulator-a")
    base.certify("regulator-a", "regulator", home.ring().signer())
    turns = max(1, (wanted - len(base.entries)) // STEP // processes)
    started = time.perf_counter()
    paths = [folder / f"part-{each}" for each in range(processes)]
    fork = multiprocessing.get_context("fork")  # keys are not sent from process to process
    jobs = [fork.Process(target=_part, args=(base, number, turns, path)) for number, path in enumerate(paths)]
    for each in jobs:
        each.start()
    for each in jobs:
        each.join()
    made = len(base.entries) + turns * STEP * processes
    log = Files(base, paths)
    print(f"{time.strftime('%F %H:%M UTC', time.gmtime())}, {platform.machine()}, {os.cpu_count()} cores, load "
          f"{os.getloadavg()[0]:.1f}, Python {platform.python_version()}\n")  # fmt: skip
    print(f"{made} entries under {CONTRACTS * processes} contracts, signed in {time.perf_counter() - started:.0f} s\n")
    index = Index(home.directory, base.space)
    started = time.perf_counter()
    followed = follow(base.space, log, home, index, SystemClock())
    took = time.perf_counter() - started
    size = index.path.stat().st_size
    print(f"verified into the copy in {took:.0f} s ({made / took:.0f} a second), {followed.faults} faults; "
          f"{size / made:.0f} bytes an entry\n")  # fmt: skip
    index.__exit__()
    print("| question | cold, s | warm, s | rows | holds |\n|---|---|---|---|---|")
    slow = 0.0
    for question in QUESTIONS:
        if question.answer is None:
            continue
        values = given(question, ASKED.get(question.name, {}))
        with Index(home.directory, base.space) as opened:
            times = []
            for _ in range(2):
                started = time.perf_counter()
                asked = ask(question, opened, values)
                times.append(time.perf_counter() - started)
        slow = max(slow, *times)
        rows = asked.answer.of or len(asked.answer.rows)
        print(f"| {question.name} | {times[0]:.2f} | {times[1]:.2f} | {rows} | {'yes' if asked.holds else 'no'} |")
    print(f"\nThe slowest took {slow:.2f} s.")


if __name__ == "__main__":
    main()
