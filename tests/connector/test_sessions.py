"""A run over several connectors: only with the word of every party it goes on, and else nobody learns anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hefu.canonical import Object
from hefu.envelope import Statement, draft, new_id
from hefu.errors import Conflict, HefuError, Malformed, NotFound
from hefu.identity import STATUS, StatusList, write_bytes
from hefu.identity import Standing as Word
from hefu.keeping import keys
from hefu.statements import receipt
from hefu_connector.computing import gathering, guard
from hefu_connector.computing.meeting import JOINED, Joined, Met
from hefu_connector.pairs import OwnKey
from hefu_connector.ports import FINAL, ComputationState, Run
from hefu_connector.session import Party, Session
from hefu_policies.budget import NOTHING

from tests.connector.session_world import AGGREGATOR, CONSUMER, MODULUS, NAMES, ONE, Grid
from tests.connector.world import SPACE, START

CARRIED = "sha256:" + "0" * 64


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[Grid]:
    made = Grid(tmp_path)
    yield made
    made.close()


def carry_on(grid: Grid, session: Session, name: str, words: list[Statement], carried: str | None = None) -> Run:
    if carried is None:
        carried = CARRIED if name == AGGREGATOR else ""
    return grid.providers[name].enforcement.carry_on(session.party(name).computation, CONSUMER, words, carried)


def end(grid: Grid, session: Session, name: str) -> Run:
    door, computation = grid.providers[name].enforcement, session.party(name).computation
    run = door.view(computation, CONSUMER)
    while run.state not in FINAL:
        run = door.wait(computation, CONSUMER, 10)
    return run


def failed(run: Run) -> str:
    assert run.state in (ComputationState.FAILED, ComputationState.CANCELLED)
    assert run.parts == 0
    assert run.receipt is not None
    made = receipt.Failure.of(Statement.parse(run.receipt))
    assert made.charge == receipt.Spent(500_000_000, 0, 1)
    return made.code


def released(grid: Grid, session: Session, name: str) -> int:
    run, party = end(grid, session, name), session.party(name)
    assert run.state is ComputationState.RELEASED
    sealed = grid.providers[name].enforcement.part(run.id, CONSUMER, 0)
    info = guard.info(run.id, party.agreement, 0)
    answer, _ = guard.read(keys.unseal(sealed, grid.sealing[session.reader(name)], info), run.id)
    return int(answer.rows[0][0] or "")


def test_with_the_word_of_all_each_is_released_under_masks_that_cancel_and_sealed_for_its_reader(grid: Grid) -> None:
    session = grid.session()
    assert {run.state for run in grid.create(session).values()} == {ComputationState.RUNNING}
    words = grid.words(session)
    for name in NAMES:
        carry_on(grid, session, name, words)
    told = {name: released(grid, session, name) for name in NAMES}
    assert sum(told.values()) % MODULUS == 5 + 7 + 11
    assert not {*told.values()} & {5, 7, 11}
    for name in NAMES:
        (seen,) = grid.providers[name].workers.seen
        said = seen["session"]
        assert isinstance(said, dict)
        assert (said["me"], said["sums"]) == (name, name == AGGREGATOR)
        made = receipt.Receipt.of(Statement.parse(end(grid, session, name).receipt or b""))
        assert made.consumer == CONSUMER
        assert (made.facts["minParties"], made.facts["collusionThreshold"]) == (3, 1)
        assert grid.providers[name].charged == ONE


def test_while_it_goes_on_other_words_are_a_conflict(grid: Grid) -> None:
    session = grid.session()
    grid.create(session)
    words, held = grid.words(session), grid.providers[AGGREGATOR].workers
    held.gate.clear()
    carry_on(grid, session, AGGREGATOR, words)
    with pytest.raises(Conflict):
        carry_on(grid, session, AGGREGATOR, words, "sha256:" + "1" * 64)
    carry_on(grid, session, AGGREGATOR, words)
    held.gate.set()
    assert end(grid, session, AGGREGATOR).state is ComputationState.RELEASED


def test_what_waits_holds_no_thread_and_goes_on_once_whoever_repeats_it(grid: Grid) -> None:
    sessions = [grid.session() for _ in range(5)]  # five that wait, where one may run
    for each in sessions:
        grid.create(each)
    last = sessions[-1]
    words = grid.words(last)
    assert grid.words(last) == words
    for _ in range(3):
        carry_on(grid, last, "grid-a", words)
    assert end(grid, last, "grid-a").state is ComputationState.RELEASED
    carry_on(grid, last, "grid-a", words)
    assert len(grid.providers["grid-a"].workers.seen) == 1
    assert grid.providers["grid-a"].enforcement.running() == 4


def wrong_words(grid: Grid, session: Session) -> dict[str, list[Statement]]:
    """What a consumer might bring instead of what the parties signed."""
    good = grid.words(session)
    other = grid.session()
    grid.create(other)
    party, key = session.party("grid-c"), OwnKey().public

    def said(signer: str, issuer: str = "grid-c", space: str = SPACE, **changes: object) -> Statement:
        members: dict[str, object] = {
            "session": session.digest(), "computation": party.computation, "request": good[2].body["request"],
            "key": key,
        }  # fmt: skip
        body = Joined(**(members | changes)).body()  # type: ignore[arg-type]
        return grid.sign(draft(JOINED, body, space=space, issuer=issuer, at=START), signer)

    mine = Joined.of(good[0])
    untyped = draft("other", good[2].body, space=SPACE, issuer="grid-c", at=START)
    return {
        "one is missing": good[:2],
        "one comes twice": [*good, good[2]],
        "one is there in the place of another": [good[0], good[1], good[1]],
        "of another session": [*good[:2], grid.words(other)[2]],
        "signed by somebody else": [*good[:2], said("mallory")],
        "signed by the consumer": [*good[:2], said(CONSUMER)],
        "of a participant that is no party": [*good[:2], said("mallory", "mallory")],
        "of no party beside all": [*good, said("mallory", "mallory")],
        "for another computation": [*good[:2], said("grid-c", computation=session.party("grid-a").computation)],
        "in another space": [*good[:2], said("grid-c", space="elsewhere")],
        "with the key of another party": [*good[:2], said("grid-c", key=mine.key)],
        "with a key that shares one secret with all": [*good[:2], said("grid-c", key=bytes(32))],
        "with another own key": [said("grid-a", "grid-a", computation=mine.computation), *good[1:]],
        "not signed": [*good[:2], draft(JOINED, good[2].body, space=SPACE, issuer="grid-c", at=START)],
        "of another type": [*good[:2], grid.sign(untyped, "grid-c")],
    }  # fmt: skip


def test_forged_replayed_missing_and_doubled_words_change_nothing(grid: Grid) -> None:
    session = grid.session()
    grid.create(session)
    good = grid.words(session)
    for words in wrong_words(grid, session).values():
        with pytest.raises(HefuError):
            carry_on(grid, session, "grid-a", words)
    assert grid.providers["grid-a"].workers.seen == []
    carry_on(grid, session, "grid-a", good)  # and the right ones still do what they should
    assert end(grid, session, "grid-a").state is ComputationState.RELEASED


def test_altered_bytes_of_a_word_are_refused(grid: Grid) -> None:
    session = grid.session()
    grid.create(session)
    words = grid.words(session)
    key = write_bytes(Joined.of(words[2]).key).encode()
    forged = Statement.parse(words[2].to_bytes().replace(key, write_bytes(OwnKey().public).encode()))
    with pytest.raises(HefuError) as caught:
        carry_on(grid, session, "grid-a", [*words[:2], forged])
    assert caught.value.code == "signature.invalid"


def test_a_party_that_was_revoked_after_it_joined_stops_the_others(grid: Grid) -> None:
    session = grid.session()
    grid.create(session)
    words = grid.words(session)
    revoked = StatusList(2, START, (Word("grid-c", "revoked", START, "test"),))
    grid.directory.apply(grid.sign(draft(STATUS, revoked.body(), space=SPACE, issuer="broker", at=START), "broker"))
    with pytest.raises(HefuError):
        carry_on(grid, session, "grid-a", words)
    assert grid.providers["grid-a"].workers.seen == []


def test_where_a_party_is_shown_other_keys_the_masks_do_not_cancel(grid: Grid) -> None:
    """A consumer that splits the view gets noise: the party's signing key would be needed for more."""
    session = grid.session()
    grid.create(session)
    words, party = grid.words(session), session.party("grid-c")
    other = Joined(session.digest(), party.computation, str(words[2].body["request"]), OwnKey().public)
    twice = grid.sign(draft(JOINED, other.body(), space=SPACE, issuer="grid-c", at=START), "grid-c")  # it cheats, too
    carry_on(grid, session, "grid-a", [*words[:2], twice])
    carry_on(grid, session, "grid-b", words)
    carry_on(grid, session, "grid-c", words)
    assert sum(released(grid, session, name) for name in NAMES) % MODULUS != 5 + 7 + 11
    again = carry_on(grid, session, "grid-b", [*words[:2], twice])
    assert again == end(grid, session, "grid-b")  # and nobody says its numbers twice, for two views
    assert len(grid.providers["grid-b"].workers.seen) == 1


def test_others_sealed_results_are_for_the_aggregator_alone(grid: Grid) -> None:
    session = grid.session()
    grid.create(session)
    words = grid.words(session)
    for name, carried in (("grid-a", CARRIED), (AGGREGATOR, "")):
        with pytest.raises(Malformed) as caught:
            carry_on(grid, session, name, words, carried)
        assert caught.value.code == "session.carried"


@pytest.mark.parametrize("joined", [0, 1, 2], ids=["nobody else came", "one came", "two came"])
def test_a_party_that_does_not_come_in_time_ends_the_run_and_nothing_is_revealed(grid: Grid, joined: int) -> None:
    session = grid.session()
    came = NAMES[: joined + 1] if joined < 2 else NAMES
    grid.create(session, *came)
    words = [grid.providers[name].enforcement.join(session.party(name).computation, CONSUMER) for name in came]
    for name in came:
        door = grid.providers[name].enforcement
        with pytest.raises(HefuError):
            carry_on(grid, session, name, words[:2])
        grid.clock.move(60)
        door.watch()
        assert door.view(session.party(name).computation, CONSUMER).state is ComputationState.RUNNING
        grid.clock.move(61)
        door.watch()
        assert failed(end(grid, session, name)) == "session.deadline"
        assert grid.providers[name].charged == ONE
        with pytest.raises(Conflict):
            door.join(session.party(name).computation, CONSUMER)
        assert carry_on(grid, session, name, words).state is ComputationState.FAILED
        assert grid.providers[name].workers.seen == []
        grid.clock.move(-121)


def test_a_run_that_ends_while_it_waits_ends_charged(grid: Grid) -> None:
    for stop in ("cancel", "end"):
        session = grid.session()
        grid.create(session)
        words, door = grid.words(session), grid.providers["grid-a"].enforcement
        if stop == "cancel":
            door.cancel(session.party("grid-a").computation, CONSUMER)
        else:
            door.end_agreement("agr-grid-a")
        assert failed(end(grid, session, "grid-a")) == ("cancelled" if stop == "cancel" else "contract.ended")
        assert carry_on(grid, session, "grid-a", words).state in FINAL
    assert grid.providers["grid-a"].workers.seen == []


def test_a_worker_that_dies_in_the_midst_leaves_the_run_charged_and_the_others_useless(grid: Grid) -> None:
    session = grid.session()
    grid.create(session)
    words = grid.words(session)
    grid.providers["grid-c"].workers.dies = True
    for name in NAMES:
        carry_on(grid, session, name, words)
    assert failed(end(grid, session, "grid-c")) == "internal"
    rest = [released(grid, session, name) for name in ("grid-a", "grid-b")]
    assert sum(rest) % MODULUS not in (5 + 7, 5 + 7 + 11)
    assert all(each.charged == ONE for each in grid.providers.values())


def test_after_a_crash_nobody_goes_on_with_a_run_and_it_stays_charged(grid: Grid) -> None:
    session = grid.session()
    grid.create(session)
    words, provider = grid.words(session), grid.providers["grid-a"]
    provider.enforcement = provider.build()  # the process is gone, and its keys with it
    with pytest.raises(Conflict):
        provider.enforcement.join(session.party("grid-a").computation, CONSUMER)
    with pytest.raises(Conflict):
        carry_on(grid, session, "grid-a", words)
    assert provider.enforcement.recover() == 1
    assert failed(end(grid, session, "grid-a")) == "computation.interrupted"
    assert provider.charged == ONE


def test_the_aggregator_opens_under_receipts_of_this_run_and_of_each_party_alone(grid: Grid) -> None:
    runs, joined = [], []
    for session in (grid.session(), grid.session()):
        grid.create(session)
        words = grid.words(session)
        for name in NAMES:
            carry_on(grid, session, name, words)
        runs.append({name: Statement.parse(end(grid, session, name).receipt or b"") for name in NAMES})
        joined.append({each.issuer: Joined.of(each) for each in words})
    (earlier, now), party = runs, session.party("grid-c")
    met = Met("", joined[1], {}, CARRIED)

    def opened(statement: Statement, met: Met = met) -> receipt.Receipt:
        return gathering._receipt(party, session, met, statement, grid.trust)

    assert opened(now["grid-c"]).computation == party.computation
    body = now["grid-c"].body

    def said(
        signer: str = "grid-c", issuer: str = "grid-c", type_: str = receipt.SEALED, **changes: object
    ) -> Statement:
        members: Object = {**body, **changes}  # type: ignore[dict-item]
        return grid.sign(draft(type_, members, space=SPACE, issuer=issuer, at=START), signer)

    assert opened(said()) == opened(now["grid-c"])
    wrong = {
        "of an earlier run": earlier["grid-c"],
        "of another party": now["grid-a"],
        "signed by another party": said("grid-a"),
        "issued by another party": said("grid-a", "grid-a"),
        "for another consumer": said(consumer="mallory"),
        "under another agreement": said(agreements=now["grid-a"].body["agreements"]),
        "no release": said(type_=receipt.FAILED),
    }
    for statement in wrong.values():
        with pytest.raises(HefuError):
            opened(statement)
    with pytest.raises(HefuError):  # it took another request for this run's than it answered
        opened(now["grid-c"], Met("", {**joined[1], "grid-c": joined[0]["grid-c"]}, {}, CARRIED))


def test_a_computation_of_somebody_else_or_of_no_run_is_not_joined(grid: Grid) -> None:
    session = grid.session()
    grid.create(session)
    door, computation = grid.providers["grid-a"].enforcement, session.party("grid-a").computation
    for caller in ("mallory", "grid-c"):
        with pytest.raises(NotFound):
            door.join(computation, caller)
        with pytest.raises(NotFound):
            door.carry_on(computation, caller, grid.words(session), "")
    with pytest.raises(NotFound):
        door.join(new_id("cmp"), CONSUMER)


def refused(grid: Grid, request: Statement, name: str = "grid-a") -> str:
    run = grid.providers[name].enforcement.create(request, CONSUMER)
    assert run.state is ComputationState.REFUSED
    assert run.receipt is not None
    assert grid.providers[name].charged == NOTHING
    return receipt.Refusal.of(Statement.parse(run.receipt)).code


def plan_with(grid: Grid, session: Session, **changes: object) -> Object:
    plan = grid.request(session, "grid-a").body["plan"]
    assert isinstance(plan, dict)
    return {**plan, "session": {**session.body(), **changes}}  # type: ignore[dict-item]


def test_a_request_that_is_not_this_partys_part_of_its_run_is_refused_before_anything_is_charged(grid: Grid) -> None:
    session = grid.session()
    moved = tuple(replace(each, computation=new_id("cmp")) for each in session.parties)
    other = replace(session, parties=moved)
    for named, part in ((other, session), (replace(other, consumer="mallory"), other)):
        plan = plan_with(grid, named)
        asked = grid.request(session, "grid-a", plan=plan, computation=part.party("grid-a").computation)
        assert refused(grid, asked) == "session.seat"


@pytest.mark.parametrize("why", ["twice", "two", "consumer", "aggregator", "order", "honest"])
def test_a_run_with_an_organisation_twice_or_too_few_is_no_run(grid: Grid, why: str) -> None:
    session = grid.session()
    first, second, third = (each.body() for each in session.parties)
    again = Party("grid-a", "agr-other", new_id("cmp")).body()
    changes: dict[str, object] = {
        "twice": {"parties": [first, again, second]},
        "two": {"parties": [first, second]},
        "consumer": {"consumer": "grid-c"},
        "aggregator": {"aggregator": CONSUMER},
        "order": {"parties": [second, first, third]},
        "honest": {"honest": 4},
    }
    members = changes[why]
    assert isinstance(members, dict)
    plan = plan_with(grid, session, **members)
    code = refused(grid, grid.request(session, "grid-a", plan=plan))
    assert code in ("contract.value", "contract.duplicate")


def test_a_contract_that_wants_fewer_colluders_or_other_parties_refuses(grid: Grid) -> None:
    session = grid.session(honest=3)
    assert refused(grid, grid.request(session, "grid-a")) == "policy.refused"
    session = grid.session()
    parties = (*session.parties[:2], Party("mallory", "agr-m", new_id("cmp")))
    session = replace(session, parties=tuple(sorted(parties)))
    assert refused(grid, grid.request(session, "grid-a")) == "policy.refused"
