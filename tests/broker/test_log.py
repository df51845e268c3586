"""The audit log: statements in, proofs out, and what a crash, a restore or a forger can do to it."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

import pytest
from hefu.envelope import Statement
from hefu.errors import Conflict, Malformed, NotFound, Refused, Unavailable, Untrusted
from hefu.tlog import checkpoint, tree
from hefu.tlog.note import VerifierKey
from hefu.tlog.tiles import Place
from hefu_broker import pages
from hefu_broker.bootstrap import Server, open_rooms
from hefu_space.harness import until

from tests.broker.world import BOTH, Deal, Person, World

KINDS = BOTH
SEALED = "computation.sealed"


def key(world: World) -> VerifierKey:
    return VerifierKey.parse(world.space.log_key)


def journal(person: Person, number: int, **more: object) -> bytes:
    return person.says(SEALED, {"computation": f"cmp-{number}", **more})


def test_a_statement_is_proved_under_the_pinned_key(world: World, provider: Person) -> None:
    statements = [journal(provider, number) for number in range(10)]
    assert world.rooms.log.append(provider.caller, statements) == 10
    world.sequenced()
    for each in statements:
        proof = world.rooms.log.proof(tree.leaf_hash(each))
        assert proof.verify(tree.leaf_hash(each), key(world)).size == world.rooms.sequencer.newest[0]


def test_what_is_queued_only_has_no_proof(world: World, provider: Person) -> None:
    world.sequenced()
    data = journal(provider, 1)
    world.rooms.log.append(provider.caller, [data])
    with pytest.raises(NotFound):
        world.rooms.log.proof(tree.leaf_hash(data))
    assert world.rooms.log.proof_of(Statement.parse(data)) is None


def test_what_is_committed_and_not_published_has_no_proof(world: World, provider: Person) -> None:
    world.sequenced()
    data = journal(provider, 1)
    world.rooms.log.append(provider.caller, [data])
    world.rooms.sequencer.sequence()
    with pytest.raises(NotFound):
        world.rooms.log.proof(tree.leaf_hash(data))


def test_a_statement_is_logged_once(world: World, provider: Person) -> None:
    world.sequenced()
    before = world.rooms.sequencer.newest[0]
    data = journal(provider, 1)
    world.rooms.log.append(provider.caller, [data, data])
    world.rooms.log.append(provider.caller, [data])
    world.sequenced()
    world.rooms.log.append(provider.caller, [data])
    world.sequenced()
    assert world.rooms.sequencer.newest[0] == before + 1


def test_a_statement_of_somebody_else_is_refused_and_none_beside_it_queued(
    world: World, provider: Person, consumer: Person
) -> None:
    world.sequenced()
    before = world.rooms.sequencer.newest[0]
    with pytest.raises(Refused):
        world.rooms.log.append(provider.caller, [journal(provider, 1), journal(consumer, 2)])
    world.sequenced()
    assert world.rooms.sequencer.newest[0] == before


def test_an_altered_statement_is_refused(world: World, provider: Person) -> None:
    data = journal(provider, 1).replace(b"cmp-1", b"cmp-2")
    with pytest.raises(Untrusted):
        world.rooms.log.append(provider.caller, [data])


@pytest.mark.parametrize(
    "type_", ["agreement.finalized", "product.published", "status.list", "transport.bound", "agreement"]
)
def test_what_has_a_door_of_its_own_is_not_taken_as_a_journal_statement(
    world: World, provider: Person, type_: str
) -> None:
    with pytest.raises(Malformed):
        world.rooms.log.append(provider.caller, [provider.says(type_, {})])


def test_a_statement_above_16_kib_and_more_than_256_are_refused(world: World, provider: Person) -> None:
    with pytest.raises(Malformed):
        world.rooms.log.append(provider.caller, [journal(provider, 1, filler="x" * 16_384)])
    with pytest.raises(Malformed):
        world.rooms.log.append(provider.caller, [journal(provider, 1)] * 257)


def test_checkpoints_are_consistent_with_each_other(world: World, provider: Person) -> None:
    world.sequenced()
    seen = [checkpoint.verify(world.rooms.log.checkpoint(), key(world))]
    for number in range(5):
        world.rooms.log.append(provider.caller, [journal(provider, number * 100 + each) for each in range(60)])
        world.sequenced()
        seen.append(checkpoint.verify(world.rooms.log.checkpoint(), key(world)))
    for old in seen:
        for new in seen[seen.index(old) :]:
            hashes = world.rooms.log.consistency(old.size, new.size)
            tree.verify_consistency(old.size, new.size, old.root, new.root, hashes)
    for old_size, new_size in ((0, 5), (5, 4), (5, 10_000)):
        with pytest.raises(Malformed):
            world.rooms.log.consistency(old_size, new_size)


def test_a_crash_between_commit_and_publication_loses_nothing(world: World, provider: Person) -> None:
    world.sequenced()
    first = checkpoint.verify(world.rooms.log.checkpoint(), key(world))
    data = journal(provider, 1)
    world.rooms.log.append(provider.caller, [data])
    assert world.rooms.sequencer.sequence() == 1  # and here the process dies
    rooms = world.reopen()
    rooms.sequencer.recover()
    after = checkpoint.verify(rooms.log.checkpoint(), key(world))
    tree.verify_consistency(
        first.size, after.size, first.root, after.root, rooms.log.consistency(first.size, after.size)
    )
    assert rooms.log.proof(tree.leaf_hash(data)).verify(tree.leaf_hash(data), key(world)).size == first.size + 1


def test_a_crash_before_the_commit_leaves_it_in_the_outbox(world: World, provider: Person) -> None:
    data = journal(provider, 1)
    world.rooms.log.append(provider.caller, [data])
    rooms = world.reopen()
    rooms.sequencer.recover()
    world.sequenced()
    assert rooms.log.proof(tree.leaf_hash(data)).index >= 0


def test_a_crash_between_signing_and_history_is_survived(world: World, provider: Person) -> None:
    world.rooms.log.append(provider.caller, [journal(provider, 1)])
    world.sequenced()
    world.tamper("DELETE FROM log_checkpoint")
    world.reopen().sequencer.recover()


def test_a_restored_old_database_refuses_to_start(world: World, provider: Person) -> None:
    world.sequenced()
    backup = world.back_up()
    world.reopen()
    world.rooms.log.append(provider.caller, [journal(provider, 1)])
    world.sequenced()
    world.restore(backup)
    with pytest.raises(Untrusted) as caught:
        world.reopen().sequencer.recover()
    assert caught.value.code == "log.behind"


def test_a_database_restored_under_a_running_sequencer_stops_it(world: World, provider: Person) -> None:
    world.sequenced()
    backup = world.back_up()
    world.reopen().sequencer.start()
    before = world.rooms.sequencer.newest[0]
    world.rooms.log.append(provider.caller, [journal(provider, 1)])
    assert until(lambda: world.rooms.sequencer.newest[0] > before, 40)  # published, not only committed
    signed = (world.folder / "checkpoint.latest").read_bytes()
    if not world.server:  # an open file cannot be exchanged: its rows are
        world.tamper('DELETE FROM log_entry WHERE "index" = (SELECT max("index") FROM log_entry)')
        world.tamper("UPDATE log_head SET size = size - 1, root = :root", root=bytes(32))
    else:
        world.server.replace(world.rooms.settings.database, backup)
    data = journal(provider, 2)
    assert until(lambda: _queued(world, provider, data), 40)
    assert until(lambda: bool(world.rooms.sequencer.ended), 40)  # the copy's lease must rest before it is taken
    assert world.rooms.sequencer.ended == ("log.behind" if world.server else "log.inconsistent")
    assert (world.folder / "checkpoint.latest").read_bytes() == signed
    world.rooms.sequencer.stop()


def _queued(world: World, provider: Person, data: bytes) -> bool:
    """Whether the broker took it; a database that is exchanged throws its callers out."""
    try:
        return bool(world.rooms.log.append(provider.caller, [data]))
    except Unavailable:
        return False


def test_a_server_on_a_restored_database_ends_before_it_serves(world: World, provider: Person) -> None:
    world.sequenced()
    path = world.folder / "checkpoint.latest"
    newest = path.read_bytes()
    world.rooms.log.append(provider.caller, [journal(provider, 1)])
    world.sequenced()
    signed = path.read_bytes()
    assert signed != newest
    world.tamper('DELETE FROM log_entry WHERE "index" = (SELECT max("index") FROM log_entry)')
    world.tamper("UPDATE log_head SET size = size - 1")
    world.rooms.database.close()
    server = Server(world.folder, world.clock)
    with pytest.raises(Untrusted):
        server.start()
    server.stop()
    assert path.read_bytes() == signed
    world.reopen()


def test_a_restored_database_that_went_on_differently_refuses_to_start(world: World, provider: Person) -> None:
    world.rooms.log.append(provider.caller, [journal(provider, 1)])
    world.sequenced()
    signed = (world.folder / "checkpoint.latest").read_bytes()
    # The same log key signs another history of the same length: only the root differs.
    with world.rooms.database.engine.begin() as connection:
        held = connection.exec_driver_sql("SELECT hashes FROM log_tile WHERE level = 0").scalar_one()
    world.tamper("UPDATE log_tile SET hashes = :other", other=bytes(len(held)))
    with pytest.raises(Untrusted) as caught:
        world.reopen().sequencer.recover()
    assert caught.value.code == "log.inconsistent"
    assert (world.folder / "checkpoint.latest").read_bytes() == signed


def test_a_lost_checkpoint_file_refuses_to_start(world: World) -> None:
    world.sequenced()
    (world.folder / "checkpoint.latest").unlink()
    with pytest.raises(Untrusted) as caught:
        world.reopen().sequencer.recover()
    assert caught.value.code == "log.latest_missing"


def test_a_forged_checkpoint_file_refuses_to_start(world: World) -> None:
    world.sequenced()
    path = world.folder / "checkpoint.latest"
    lines = path.read_text("utf-8").split("\n")
    lines[1] = "1"
    path.write_text("\n".join(lines), "utf-8")
    with pytest.raises(Untrusted):
        world.reopen().sequencer.recover()


def test_an_edited_tile_or_head_refuses_to_start(world: World) -> None:
    world.sequenced()
    world.tamper("UPDATE log_head SET root = :root", root=bytes(32))
    with pytest.raises(Untrusted):
        world.reopen().sequencer.recover()


def test_who_lost_the_lead_in_the_middle_of_a_batch_changes_nothing(world: World, provider: Person) -> None:
    world.sequenced()
    world.rooms.log.append(provider.caller, [journal(provider, 1)])
    other = open_rooms(world.folder, world.clock, serving=True)
    interrupted = world.rooms.sequencer._store.tiles

    def while_the_other_takes_over(places: Collection[Place]) -> Mapping[Place, bytes]:
        if not other.sequencer.is_open:
            other.sequencer.recover()
            other.sequencer.sequence()
        return interrupted(places)

    world.rooms.sequencer._store.tiles = while_the_other_takes_over  # type: ignore[method-assign]
    with pytest.raises(Conflict) as caught:
        world.rooms.sequencer.sequence()
    assert caught.value.code == "log.moved"
    with pytest.raises(Conflict):  # and it goes on doing nothing until it leads again
        world.rooms.sequencer.sequence()
    other.sequencer.publish()
    world.rooms.sequencer.follow()
    assert world.rooms.sequencer.newest == other.sequencer.newest
    other.database.close()


def test_concurrent_appends_are_all_sequenced_once(world: World, provider: Person) -> None:
    world.rooms.sequencer.start()
    before = world.rooms.sequencer.newest[0]
    all_ = [[journal(provider, writer * 1000 + number) for number in range(10)] for writer in range(8)]
    threads = [
        threading.Thread(target=lambda mine=mine: [world.rooms.log.append(provider.caller, [each]) for each in mine])
        for mine in all_
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.rooms.sequencer.stop()
    size, _ = world.rooms.sequencer.newest
    assert size - before >= 80
    entries, _ = world.rooms.log.entries(provider.caller, 0, 1000)
    assert [each.index for each in entries] == list(range(size))
    sealed = [each.envelope for each in entries if each.envelope in {data for mine in all_ for data in mine}]
    assert len(sealed) == len(set(sealed)) == 80


def test_a_proof_is_there_soon_after_the_commit(world: World, provider: Person) -> None:
    data, proved = journal(provider, 1), threading.Event()

    def look(_: int) -> None:
        if world.rooms.log.proof_of(Statement.parse(data)):
            proved.set()

    world.rooms.sequencer.on_published(look)
    world.rooms.sequencer.start()
    world.rooms.log.append(provider.caller, [data])
    assert proved.wait(5)  # woken by the commit: nothing here asks again
    world.rooms.sequencer.stop()


def test_a_participant_reads_its_own_entries_and_the_hashes_of_the_rest(
    world: World, provider: Person, consumer: Person, regulator: Person
) -> None:
    mine, other = journal(provider, 1), journal(consumer, 2)
    world.rooms.log.append(provider.caller, [mine])
    world.rooms.log.append(consumer.caller, [other])
    world.sequenced()
    seen, size = world.rooms.log.entries(provider.caller, 0, 0)
    whole, _ = world.rooms.log.entries(regulator.caller, 0, 0)
    assert len(seen) == len(whole) == size
    assert mine in [each.envelope for each in seen]
    assert other not in [each.envelope for each in seen]
    assert {mine, other} <= {each.envelope for each in whole}
    for each, full in zip(seen, whole, strict=True):
        assert each.leaf_hash == full.leaf_hash == tree.leaf_hash(full.envelope)


def test_the_parties_of_an_agreement_read_each_others_receipts_under_it(deal: Deal, world: World) -> None:
    deal.reach("FINALIZED")
    receipt = journal(deal.provider, 1, agreements=[{"agreement": deal.agreement_id}])
    request = deal.consumer.says("computation.requested", {"agreements": [deal.agreement_id]})
    world.rooms.log.append(deal.provider.caller, [receipt])
    world.rooms.log.append(deal.consumer.caller, [request])
    stranger = world.person("stranger-s", "provider", "consumer")
    # Naming an agreement that one is no party of opens nothing to its parties, and gives the stranger nothing.
    foreign = journal(stranger, 3, agreements=[deal.agreement_id])
    world.rooms.log.append(stranger.caller, [foreign])
    world.sequenced()
    for who in (deal.provider, deal.consumer):
        read = [each.envelope for each in world.rooms.log.entries(who.caller, 0, 0)[0]]
        assert {receipt, request} <= {*read}
        assert foreign not in read
    read = [each.envelope for each in world.rooms.log.entries(stranger.caller, 0, 0)[0]]
    assert not {receipt, request} & {*read}


def test_entries_come_in_pages(world: World, provider: Person, regulator: Person) -> None:
    world.rooms.log.append(provider.caller, [journal(provider, number) for number in range(20)])
    world.sequenced()
    _, size = world.rooms.log.entries(regulator.caller, 0, 1)
    paged = [
        each.index for start in range(0, size, 7) for each in world.rooms.log.entries(regulator.caller, start, 7)[0]
    ]
    assert paged == list(range(size))
    assert world.rooms.log.entries(regulator.caller, size, 7) == ([], size)
    with pytest.raises(Malformed):
        world.rooms.log.entries(regulator.caller, -1, 0)


def test_an_answer_ends_before_it_is_too_large_for_a_message(world: World, provider: Person, regulator: Person) -> None:
    world.rooms.log.append(provider.caller, [journal(provider, number, filler="x" * 15_000) for number in range(220)])
    world.sequenced()
    first, size = world.rooms.log.entries(regulator.caller, 0, 1000)
    assert sum(len(each.envelope) for each in first) <= pages.LARGEST_ANSWER
    rest, _ = world.rooms.log.entries(regulator.caller, len(first), 1000)
    assert [each.index for each in (*first, *rest)] == list(range(size))


def test_before_the_first_checkpoint_the_log_says_so(world: World) -> None:
    with pytest.raises(Unavailable):
        world.rooms.log.checkpoint()


def linked(person: Person, sequence: int, connector: str = "") -> bytes:
    place = {"connector": connector or person.caller.connector, "sequence": sequence, "previous": ""}
    return journal(person, sequence, journal=place)


def test_a_connector_hears_its_own_newest_journal_statement_queued_or_logged(
    world: World, provider: Person, consumer: Person
) -> None:
    log = world.rooms.log
    assert log.journal(provider.caller) == b""
    log.append(provider.caller, [linked(provider, number) for number in (0, 1, 3, 2)])
    assert Statement.parse(log.journal(provider.caller)).body["journal"]["sequence"] == 3  # type: ignore[index, call-overload]
    newest = log.journal(provider.caller)
    world.sequenced()
    assert log.journal(provider.caller) == newest
    last = linked(provider, 4)
    log.append(provider.caller, [last])
    assert log.journal(provider.caller) == last
    # Nobody else's counts: neither another participant's nor that of another connector of the same one.
    log.append(consumer.caller, [linked(consumer, 9, provider.caller.connector)])
    log.append(provider.caller, [linked(provider, 50 + number, "another-c2") for number in range(70)])
    assert log.journal(provider.caller) == last
