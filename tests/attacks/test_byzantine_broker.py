"""A broker that holds the log's real signing key and lies: every lie of the table is found, by the check it names."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hefu import canonical, identity
from hefu.canonical import Object
from hefu.checking.heads import HEAD, Head
from hefu.envelope import Statement, draft
from hefu.errors import Conflict, HefuError, NotFound
from hefu.evidence.record import AGREEMENT, FINALIZED
from hefu.identity import Standing, StatusList
from hefu.membership.directory import Directory
from hefu.statements.receipt import SEALED
from hefu.times import SystemClock
from hefu.tlog import tree
from hefu.tlog.tree import leaf_hash
from hefu_audit.watching.rules import Rules
from hefu_audit.watching.state import State
from hefu_audit.watching.watcher import Watcher
from hefu_broker.bootstrap import Server, _log_key
from hefu_broker.founding import ring_of
from hefu_connector.background import Loop
from hefu_connector.contracting.contracts import Papers, verify_contract
from hefu_connector.membership.anchoring import PATIENCE, SOUGHT, TAKEN, Anchoring
from hefu_connector.running import Connector

from tests.attacks.byzantine import STRANGER, Liar, Onlookers, Reader, kept_by, logged
from tests.attacks.byzantine_table import TABLE, Attack
from tests.broker.world import SetClock
from tests.connector.small_space import PURPOSE, Space, agree, eventually, plan, provide

Lie = Callable[["Scene", Onlookers, Liar], list[str]]
LIES: dict[str, Lie] = {}


@dataclass
class Scene:
    """What was done in earnest before the broker began to lie."""

    space: Space
    provider: Connector
    consumer: Connector
    agreement: str
    backup: Path
    folder: Path
    honest: Liar

    def fresh(self, tmp_path: Path) -> Onlookers:
        taken = _now() + timedelta(days=1)
        copies = tuple(kept_by(each, self.agreement, taken) for each in (self.provider, self.consumer))
        return Onlookers(tmp_path, self.honest, self.agreement, copies)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("byzantine")
    space = Space(folder).open()
    try:
        provider = space.member("hospital-a", "provider", quantum_ms=20, anchor_seconds=1)
        consumer = space.member("pharma-b", "consumer", anchor_seconds=1)
        made = provide(provider, folder)
        agreement = agree(provider, consumer, made.product)
        for _ in range(2):
            consumer.asking.compute(plan(made.product, "0.1"), agreement, PURPOSE, "rui")
        space.stop_broker()
        backup = Path(shutil.copytree(space.broker_folder, folder / "backup"))
        server = space.start_broker()
        eventually(lambda: consumer.asking.compute(plan(made.product, "0.1"), agreement, PURPOSE, "rui"))
        eventually(lambda: _headed(server, provider, consumer), 60)
        ring = ring_of(space.broker_folder)
        honest = Liar(space.file, _log_key(ring), ring.signer(), logged(server))
        yield Scene(space, provider, consumer, agreement, backup, folder, honest)
    finally:
        space.close()


def _headed(server: Server, *connectors: Connector) -> bool:
    """Whether all receipts, and then a head of each journal that names something, are in the log."""
    for each in connectors:
        _loop(each, "journal heads").nudge()
    said = [Statement.parse(each) for each in logged(server)]
    sealed = [index for index, each in enumerate(said) if each.type == SEALED]
    naming = {each.issuer for each in said if each.type == HEAD and Head.of(each).taken}
    last = {each.issuer for each in said[max(sealed, default=0) :] if each.type == HEAD}
    return len(naming) == len(last) == len(connectors) and len(sealed) == 3


def _loop(connector: Connector, name: str) -> Loop:
    return next(each for each in connector._loops if each.name == name)


@pytest.fixture(scope="module")
def eyes(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Onlookers]:
    """They saw the honest log once; what they refuse changes nothing of what they know."""
    made = scene.fresh(tmp_path_factory.mktemp("eyes"))
    yield made
    made.close()


@pytest.mark.parametrize("attack", TABLE, ids=lambda each: each.name)
def test_a_lie_is_found_by_the_check_that_the_table_names(scene: Scene, eyes: Onlookers, attack: Attack) -> None:
    found = LIES[attack.name](scene, eyes, scene.honest.other())
    assert attack.check in found, f"{attack.name}: found by {found}"


def test_every_lie_of_the_table_is_carried_out_and_no_other() -> None:
    assert {each.name for each in TABLE} == set(LIES)
    assert len({each.name for each in TABLE}) == len(TABLE)


def test_nobody_accuses_a_broker_that_does_not_lie(scene: Scene, tmp_path: Path) -> None:
    eyes = scene.fresh(tmp_path)
    grown = scene.honest.other()
    grown.says(identity.STATUS, StatusList(10_000, _now(), ()).body())
    for liar in (scene.honest, grown):
        found = [
            *eyes.anybody(liar).failed(), *eyes.auditor(liar), *eyes.connector(liar), *eyes.parties(liar),
            *eyes.asked(liar, liar.checkpoint()), *eyes.anybody(liar, eyes.honest.checkpoint()).failed(),
        ]  # fmt: skip
        assert found == []
    eyes.close()


def lie(name: str) -> Callable[[Lie], Lie]:
    def keep(made: Lie) -> Lie:
        LIES[name] = made
        return made

    return keep


# ---------------------------------------------------------------- what stood there no longer does


@lie("delete")
def _delete(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    del liar.entries[liar.find(SEALED)]
    return eyes.auditor(liar)


@lie("delete from a newcomer")
def _delete_newcomer(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    del liar.entries[liar.find(SEALED)]  # a head of the same journal follows it
    return eyes.anybody(liar).failed()


@lie("edit")
def _edit(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    index = liar.find(SEALED)
    liar.entries[index] = liar.entries[index].replace(b'"releases":1', b'"releases":0')
    assert liar.entries != scene.honest.entries
    return eyes.anybody(liar).failed()


@lie("edit under the old root")
def _edit_served(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    liar.served = [*liar.entries]
    liar.served[5] = liar.entries[6]
    return eyes.anybody(liar).failed()


@lie("reorder")
def _reorder(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    index = liar.find(SEALED)
    liar.entries[index - 1], liar.entries[index] = liar.entries[index], liar.entries[index - 1]
    return eyes.connector(liar)


@lie("reorder a contract")
def _reorder_contract(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    liar.entries.append(liar.entries.pop(liar.find(FINALIZED)))
    return eyes.anybody(liar).failed()


@lie("truncate")
def _truncate(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    del liar.entries[-3:]
    return eyes.auditor(liar)


@lie("truncate before a witness")
def _truncate_witness(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    del liar.entries[-3:]
    return eyes.asked(liar, liar.checkpoint())


@lie("truncate before a newcomer")
def _truncate_newcomer(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    del liar.entries[min(n for n in range(len(liar.entries)) if liar.statement(n).type == SEALED) :]
    assert eyes.anybody(liar).holds  # a whole log by itself
    return eyes.parties(liar)


# ---------------------------------------------------------------- what was never said, or not then


@lie("back-date")
def _back_date(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    said = liar.statement(liar.find(FINALIZED))
    liar.says(identity.STATUS, _listed(), said.time + timedelta(minutes=10))  # ten minutes later it countersigns
    liar.says(FINALIZED, said.body, said.time)
    return eyes.anybody(liar).failed()


@lie("back-date a suspension")
def _back_date_standing(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    liar.says(identity.STATUS, _listed("pharma-b", since=_now() - timedelta(days=7)))
    return eyes.anybody(liar).failed()


@lie("re-sign")
def _re_sign(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    index = liar.find(SEALED)
    bare = replace(liar.statement(index), signatures=())
    liar.entries[index] = bare.sign(liar.operator, bare.time).to_bytes()
    return eyes.anybody(liar).failed()


@lie("insert a forgery")
def _forge(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    true = liar.statement(liar.find(SEALED))
    forged = draft(SEALED, true.body, space=true.space, issuer=true.issuer, at=true.time)
    liar.entries.append(forged.sign(liar.operator, true.time).to_bytes())
    return eyes.anybody(liar).failed()


@lie("insert into the past")
def _insert(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    said = liar.statement(liar.find(identity.STATUS))
    liar.says(identity.STATUS, StatusList(int(str(said.body["sequence"])) + 1, said.time, ()).body(), said.time)
    liar.entries.insert(liar.find(SEALED), liar.entries.pop())
    return eyes.anybody(liar, scene.honest.checkpoint()).failed()


@lie("log twice")
def _twice(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    liar.entries.append(liar.entries[liar.find(SEALED)])
    return eyes.anybody(liar).failed()


# ---------------------------------------------------------------- two histories


def _branch(liar: Liar, longer: int = 0) -> Liar:
    """Another history that holds together: the last thing said was something else."""
    liar.entries.pop()
    for number in range(1 + longer):
        liar.says(identity.STATUS, StatusList(20_000 + number, _now(), ()).body())
    return liar


@lie("fork")
def _fork(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    note = _branch(liar).checkpoint()
    found = eyes.asked(liar, note)
    assert note in eyes.memory.caught[-1]  # the evidence: the log's own signature on both
    return found


@lie("fork before a connector")
def _fork_connector(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    return eyes.connector(_branch(liar, longer=5))


@lie("split view")
def _split(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    # The member was shown a checkpoint over an entry that the auditor is not shown; its next head says so.
    head = liar.find(HEAD)
    member = Head.of(liar.statement(head)).seen
    assert member is not None
    index = member[0] - 1
    assert liar.statement(index).type != HEAD or index != head
    liar.entries[index] = liar.says(identity.STATUS, StatusList(20_000, _now(), ()).body())
    liar.entries.pop()
    return eyes.anybody(liar).failed()


@lie("split view with witnesses")
def _split_witnessed(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    honest = scene.honest.checkpoint()
    assert eyes.policy(honest + eyes.cosigned) == []
    text = _branch(liar).checkpoint()
    assert eyes.policy(text + eyes.cosigned) != []  # a cosignature is of one checkpoint
    return eyes.policy(text)


@lie("roll back")
def _roll_back(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    return _restored(scene, eyes, forget=False)


@lie("roll back and forget")
def _forget(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    return _restored(scene, eyes, forget=True)


def _restored(scene: Scene, eyes: Onlookers, *, forget: bool) -> list[str]:
    """The real broker, started on an old database beside what it signed since."""
    folder = Path(shutil.copytree(scene.backup, eyes.folder / f"restored-{forget}"))
    latest = folder / "checkpoint.latest"
    assert latest.exists()
    shutil.copy(scene.space.broker_folder / latest.name, latest)
    if forget:
        latest.unlink()
    server = Server(folder)
    try:
        server.start()
    except HefuError as fault:
        return [fault.code]
    finally:
        server.stop(0)
    return []


def _yesterday(scene: Scene, liar: Liar) -> Liar:
    """What a broker shows that takes the old database, all checks of its own removed, and goes on."""
    old = Server(Path(shutil.copytree(scene.backup, scene.folder / "yesterday", dirs_exist_ok=True)))
    liar.entries = logged(old)
    old.stop(0)
    assert liar.entries == scene.honest.entries[: len(liar.entries)]
    for number in range(40):
        liar.says(identity.STATUS, StatusList(30_000 + number, _now(), ()).body())
    return liar


@lie("restore yesterday")
def _restore(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    return eyes.auditor(_yesterday(scene, liar))


@lie("restore before a connector")
def _restore_connector(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    return eyes.connector(_yesterday(scene, liar))


# ---------------------------------------------------------------- what is kept from somebody


@lie("withhold entries")
def _withhold(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    liar.served = liar.entries[:-4]
    return eyes.auditor(liar)


@lie("withhold from one party")
def _withhold_one(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    liar.hidden = frozenset({liar.find(FINALIZED)})
    return eyes.parties(liar)


@lie("swallow")
def _swallow(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    named = {leaf for n in range(len(liar.entries)) for leaf in _taken(liar.statement(n))}
    swallowed = next(each for each in liar.entries if leaf_hash(each) in named)
    liar.entries.remove(swallowed)
    return eyes.anybody(liar).failed()


@lie("swallow unseen")
def _swallow_unseen(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    return _wait_for_head(scene, eyes, liar)


@lie("withhold an actor")
def _withhold_actor(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    liar.entries = [each for each in liar.entries if "journal" not in Statement.parse(each).body]
    assert eyes.anybody(liar).holds  # nobody misses what nobody named
    return eyes.parties(liar)


def _taken(statement: Statement) -> tuple[bytes, ...]:
    return Head.of(statement).taken if statement.type == HEAD else ()


class Chain:
    """A journal whose entries are handed to nobody."""

    def __init__(self, said: list[Statement]) -> None:
        self.said = said

    def anchor(self, entry: object) -> Statement:
        previous = canonical.digest(self.said[-1].to_bytes()) if self.said else ""
        self.said.append(entry.sign(len(self.said), previous))  # type: ignore[attr-defined]
        return self.said[-1]


def _wait_for_head(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    """The provider's own anchoring, on a log that never takes in its head."""
    clock = SetClock(_now())
    author = replace(scene.provider.provider._author, clock=clock)
    made = Anchoring(author, Chain([]), eyes.marks, liar, eyes.key, timedelta(minutes=1), lambda: None)
    made.step()
    clock.at += timedelta(minutes=2)
    made.step()
    assert eyes.marks.all(SOUGHT)
    clock.at += PATIENCE + timedelta(seconds=1)
    try:
        made.seek(clock.now())
    except HefuError as fault:
        return [fault.code]
    return []


# ---------------------------------------------------------------- standing


def _now() -> datetime:
    return SystemClock().now()


def _listed(subject: str = "", sequence: int = 20_000, since: datetime | None = None) -> Object:
    named = (Standing(subject, "revoked", since or _now(), "because"),) if subject else ()
    return StatusList(sequence, _now(), named).body()


def _directory(scene: Scene) -> Directory:
    """What a connector knows of the space, before any status list."""
    made = Directory(scene.honest.space.space, scene.honest.space.root)
    for each in map(Statement.parse, scene.honest.entries):
        if each.type == identity.CERTIFIED:
            made.certify(each)
    return made


def _applied(directory: Directory, *lists: bytes) -> list[str]:
    try:
        for each in lists:
            directory.apply(Statement.parse(each))
    except HefuError as fault:
        return [fault.code]
    return []


@lie("equivocate on standing")
def _equivocate(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    one, other = (liar.says(identity.STATUS, _listed(each)) for each in ("pharma-b", ""))
    assert _applied(_directory(scene), one, one) == []
    return _applied(_directory(scene), other, one)


@lie("equivocate between members")
def _equivocate_between(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    index = liar.find(HEAD)
    honest = Head.of(liar.statement(index))
    assert honest.standing is not None
    # Somebody is named in the log before the head, and the member was shown, under a later number, that nobody is.
    liar.says(identity.STATUS, _listed("stranger-x", sequence=honest.standing[0]))
    liar.entries.insert(index, liar.entries.pop())
    return eyes.anybody(liar).failed()


@lie("replay a status list")
def _replay(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    old = liar.says(identity.STATUS, _listed("", sequence=20_000))
    return _applied(_directory(scene), liar.says(identity.STATUS, _listed("pharma-b", sequence=20_001)), old)


@lie("reinstate")
def _reinstate(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    liar.says(identity.STATUS, _listed("stranger-x", sequence=20_000))
    liar.says(identity.STATUS, _listed("", sequence=20_001))
    return eyes.anybody(liar).failed()


# ---------------------------------------------------------------- countersignatures and proofs


def _half_signed(liar: Liar) -> tuple[Statement, bytes]:
    """An agreement with the provider's signature alone, and the broker's word that it is in force."""
    whole = liar.statement(liar.find(AGREEMENT))
    half = replace(whole, signatures=whole.signatures[:1])
    body = {**liar.statement(liar.find(FINALIZED)).body, "envelope": canonical.digest(half.to_bytes())}
    return half, liar.says(FINALIZED, body)


@lie("countersign what nobody signed")
def _countersign(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    _half_signed(liar)
    return eyes.anybody(liar).failed()


@lie("countersign for a connector")
def _countersign_connector(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    half, final = _half_signed(liar)
    held = scene.provider.agreements.load(scene.agreement)
    proof = str(liar.inclusion(leaf_hash(final))).encode()
    papers = Papers(half.to_bytes(), final, held.description_statement.to_bytes(), proof)
    try:
        verify_contract(papers, scene.provider.trust, scene.provider.agreements._pins)
    except HefuError as fault:
        return [fault.code]
    return []


@lie("prove by another tree")
def _prove_other(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    liar.entries = [each for n, each in enumerate(liar.entries) if n not in (3, 4)]
    final = liar.entries[liar.find(FINALIZED)]
    proof = liar.inclusion(leaf_hash(final))
    proof.verify(leaf_hash(final), eyes.key)  # it holds by itself
    liar.signed = proof.checkpoint
    return eyes.connector(liar)


@lie("prove nothing")
def _prove_nothing(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    leaf = leaf_hash(liar.entries[4])
    wrong = replace(liar.inclusion(leaf), hashes=liar.inclusion(leaf_hash(liar.entries[7])).hashes)
    try:
        wrong.verify(leaf, eyes.key)
    except HefuError as fault:
        return [fault.code]
    return []


@lie("sign with another key")
def _other_key(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    liar.key = STRANGER
    return eyes.auditor(liar)


@lie("stand still")
def _stand_still(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    clock, watcher = _watching(eyes, liar, "still")
    clock.move(minutes=31)
    return [each.rule for each in watcher.look(Reader(liar))]


@lie("let a clock lie")
def _clock(scene: Scene, eyes: Onlookers, liar: Liar) -> list[str]:
    _, watcher = _watching(eyes, liar, "clock", ahead=20)
    liar.says(FINALIZED, liar.statement(liar.find(FINALIZED)).body, _now())  # twenty minutes ago, by the watch's clock
    return [each.rule for each in watcher.look(Reader(liar))]


def _watching(eyes: Onlookers, liar: Liar, name: str, ahead: int = 0) -> tuple[SetClock, Watcher]:
    """A watch that has looked once, so many minutes from now."""
    clock = SetClock(_now() + timedelta(minutes=ahead))
    state = State(eyes.folder / name, eyes.home.evidence, {})
    watcher = Watcher(liar.space, state, state, Rules(), clock)
    assert watcher.look(Reader(liar)) == []
    return clock, watcher


# ---------------------------------------------------------------- what a broker took, and what it refused


def test_what_the_broker_refuses_is_in_no_head_and_what_it_takes_is(scene: Scene) -> None:
    negotiations = scene.consumer.desk.overview._negotiations
    author, marks = scene.consumer.provider._author, scene.consumer.agreements._marks
    refused = author.say("negotiation.accepted", {"negotiation": "neg-nowhere", "previous": []})
    with pytest.raises((NotFound, Conflict)):
        negotiations.advance(refused)
    assert marks.find(TAKEN + leaf_hash(refused.to_bytes()).hex()) is None
    said = [Statement.parse(each) for each in scene.honest.entries]
    named = {leaf for each in said for leaf in _taken(each)}
    for each in said:
        if each.type.startswith(("negotiation.", "product.")):
            assert leaf_hash(each.to_bytes()) in named, each.type


def test_a_head_says_what_its_connector_saw(scene: Scene) -> None:
    leaves = scene.honest.leaves
    read = tree.reader(leaves)
    heads = [Head.of(each) for each in map(Statement.parse, scene.honest.entries) if each.type == HEAD]
    assert all(each.standing for each in heads)
    shown = [each.seen for each in heads if each.seen]
    assert shown
    assert all(tree.root_of(size, read) == root for size, root in shown)
