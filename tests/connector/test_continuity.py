"""An old copy of a connector's store is noticed, and a crash never looks like one (promise A-b, Q-e)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hefu import canonical
from hefu.envelope import PublicKey, Statement
from hefu.errors import Conflict, HefuError, NotFound, Unauthenticated, Unavailable, Untrusted
from hefu_connector.membership.continuity import Continuity, HighWater, Others
from hefu_connector.ports import ComputationState, Standing
from hefu_connector.storage import Database, SqlJournal
from hefu_space.harness import until

from tests.contracts.stories import NOW, entry, run
from tests.postgresql import PostgreSQL


@dataclass
class Broker:
    """What the broker's log says of this journal."""

    said: Statement | HefuError | None = None

    def newest(self) -> Statement | None:
        if isinstance(self.said, HefuError):
            raise self.said
        return self.said


class OwnKey:
    """`ports.Trust` as far as it is needed here: every signature holds but one that was altered."""

    forged = False

    def verify(self, statement: Statement, *parties: str) -> None:
        assert parties == ("hospital-a",)
        if self.forged:
            raise Untrusted("signature.invalid", key="k", type="t")

    def check(self, participant: str, *subjects: str) -> Standing:
        raise NotImplementedError

    def sealing(self, participant: str) -> bytes:
        raise NotImplementedError

    def roles(self, participant: str) -> frozenset[str]:
        raise NotImplementedError

    def attributes(self, participant: str) -> Mapping[str, frozenset[str]]:
        raise NotImplementedError

    def keys(self, participant: str) -> list[PublicKey]:
        raise NotImplementedError


class Town:
    """A connector's store and what lies outside of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.broker, self.trust = folder, Broker(), OwnKey()
        self.database = Database.at(folder / "connector.db", "demo")
        self.journal = SqlJournal(self.database)
        self.broke: list[HefuError] = []

    @property
    def high(self) -> Path:
        return self.folder / "journal.high"

    def write(self, *ids: str) -> None:
        for id_ in ids:
            self.journal.admit(run(id_))
            self.journal.close(id_, ComputationState.REFUSED, entry(id_), (), NOW)

    def continuity(self) -> Continuity:
        made = Continuity(self.journal, HighWater(self.high), self.broker, self.trust, "hospital-a", "c")
        made.broken = self.broke.append
        return made

    def newest(self) -> Statement:
        return Statement.parse(self.journal.outbox(1000)[-1])

    def copy(self) -> Path:
        self.database.close()
        return Path(shutil.copy(self.folder / "connector.db", self.folder / "copy.db"))

    def put_back(self, copy: Path) -> None:
        self.database.close()
        for each in self.folder.glob("connector.db*"):
            each.unlink()
        shutil.copy(copy, self.folder / "connector.db")
        self.database = Database.at(self.folder / "connector.db", "demo")
        self.journal = SqlJournal(self.database)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path)
    yield made
    made.database.close()


def test_a_new_connector_and_one_that_goes_on_are_served(town: Town) -> None:
    for count in range(4):
        held = town.continuity()
        held.check()
        held.step()
        town.write(f"cmp-{count}")
        held.step()
        town.broker.said = town.newest()
    assert HighWater(town.high).read() == (3, town.journal.head()[1])


def test_an_old_store_is_refused_by_the_file_though_the_broker_is_away(town: Town) -> None:
    town.write("cmp-1")
    copy = town.copy()
    town.write("cmp-2")
    town.continuity().step()
    town.broker.said = Unavailable("peer.unreachable", peer="the broker")
    town.put_back(copy)
    with pytest.raises(Conflict, match="has 1 journal entries, but this connector signed at least 2"):
        town.continuity().check()


def test_an_old_copy_of_everything_is_refused_by_the_broker(town: Town) -> None:
    town.write("cmp-1")
    town.continuity().step()
    copy, high = town.copy(), town.high.read_bytes()
    town.write("cmp-2", "cmp-3")
    town.continuity().step()
    town.broker.said = town.newest()
    town.put_back(copy)
    town.high.write_bytes(high)
    with pytest.raises(Conflict, match="at least 3"):
        town.continuity().check()


def test_an_empty_store_in_place_of_the_own_one_is_refused(town: Town) -> None:
    empty = town.copy()
    town.write("cmp-1")
    town.broker.said = town.newest()
    town.put_back(empty)
    with pytest.raises(Conflict, match="has 0 journal entries"):
        town.continuity().check()


def test_a_store_that_went_another_way_is_refused_though_it_is_longer(town: Town) -> None:
    """A restored copy that served with the broker away: its entries stand where others stood."""
    copy = town.copy()
    town.write("cmp-1")
    town.broker.said = town.newest()
    town.continuity().step()
    town.put_back(copy)
    town.write("cmp-8", "cmp-9")
    with pytest.raises(Conflict):
        town.continuity().check()
    town.high.unlink()
    with pytest.raises(Conflict):
        town.continuity().check()


def test_where_the_broker_comes_back_later_it_is_asked_then_and_nothing_is_sent_before(town: Town) -> None:
    copy = town.copy()
    town.write("cmp-1")
    newest = town.newest()
    town.put_back(copy)
    for away in (Unavailable("peer.unreachable", peer="the broker"), Unauthenticated("identity.unknown")):
        town.broker.said = away
        held = town.continuity()
        held.check()
        with pytest.raises(type(away)):
            held.ask()
    assert town.broke == []
    town.broker.said = newest
    with pytest.raises(Conflict):
        held.ask()
    assert [each.code for each in town.broke] == ["journal.behind"]


def test_a_store_that_falls_back_while_it_is_served_is_noticed(town: Town) -> None:
    town.write("cmp-1")
    held = town.continuity()
    held.check()
    copy = town.copy()
    town.write("cmp-2")
    held.step()
    town.put_back(copy)
    held = _over(held, town.journal)
    with pytest.raises(Conflict):
        held.step()
    assert [each.code for each in town.broke] == ["journal.behind"]


def _over(held: Continuity, journal: SqlJournal) -> Continuity:
    held._chain = journal
    return held


def test_what_is_not_this_connectors_own_word_changes_nothing(town: Town) -> None:
    """A broker cannot stop a connector by telling it of entries that it never signed."""
    town.write("cmp-1")
    ahead = entry("cmp-9").sign(7, "sha256:x")
    town.trust.forged = True
    town.broker.said = ahead
    town.continuity().check()
    town.trust.forged = False
    town.broker.said = NotFound("resource.not_found", what="journal", name="x")
    town.continuity().check()
    other = Continuity(town.journal, HighWater(town.high), Broker(ahead), town.trust, "hospital-a", "another")
    other.check()
    with pytest.raises(Conflict):
        Continuity(town.journal, HighWater(town.high), Broker(ahead), town.trust, "hospital-a", "c").check()


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut off": lambda data: data[:140],
    "zeroes": lambda data: bytes(len(data)),
    "of something else": lambda data: os.urandom(300),
    "newest slot torn": lambda data: data[:128] + data[128:150] + bytes(len(data) - 150),
}


@pytest.mark.parametrize("damage", sorted(DAMAGE))
def test_a_torn_file_never_refuses_the_right_store(town: Town, damage: str) -> None:
    held = town.continuity()
    for number in range(4):
        town.write(f"cmp-{number}")
        held.step()
    before = town.high.read_bytes()
    town.high.write_bytes(DAMAGE[damage](before))
    sequence, digest = HighWater(town.high).read()
    assert sequence in (-1, 2, 3)
    assert digest in ("", *(canonical.digest(each) for each in town.journal.outbox(9)))
    again = town.continuity()
    again.check()
    again.step()
    assert HighWater(town.high).read() == (3, town.journal.head()[1])


def test_a_file_that_cannot_be_written_is_said_and_stops_nobody(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    town.high.mkdir()
    town.write("cmp-1")
    held = town.continuity()
    held.check()
    held.step()
    assert "cannot be noted" in caplog.text


def test_a_postgresql_that_falls_back_under_a_running_connector_is_noticed(
    postgresql: PostgreSQL, tmp_path: Path
) -> None:
    url = postgresql.database()
    database = Database(url, "demo")
    database.close()
    before, journal = postgresql.database(url), SqlJournal(database)
    held = Continuity(journal, HighWater(tmp_path / "high"), Broker(), OwnKey(), "hospital-a", "c")
    held.check()
    journal.admit(run("cmp-1"))
    journal.close("cmp-1", ComputationState.REFUSED, entry("cmp-1"), (), NOW)
    held.step()
    postgresql.replace(url, before)

    def noticed() -> bool:
        try:
            held.step()
        except Unavailable:  # the connection was cut; the next one sees the old state
            return False
        except Conflict:
            return True
        return False

    assert until(noticed, 20)
    database.close()


def test_a_store_that_fell_back_and_then_grew_beyond_what_was_noted_is_refused(town: Town) -> None:
    """Between two looks another process may write more than was lost: a longer chain is not the same chain."""
    town.write("cmp-1")
    copy = town.copy()
    town.write("cmp-2")
    held = town.continuity()
    held.step()
    town.put_back(copy)
    town.write("cmp-3", "cmp-4", "cmp-5")
    held._chain = town.journal
    with pytest.raises(Conflict, match="at least 2"):
        held.step()
    assert [each.code for each in town.broke] == ["journal.behind"]


class Street:
    """Two homes of one participant, in two spaces, on one store."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.database = Database.at(town.folder / "connector.db", "other")
        town.database.claim("hospital-a", "c")
        self.database.claim("hospital-a", "d")

    def held(self, beside: Callable[[], dict[str, tuple[int, str]]] = dict) -> Continuity:
        others = Others(self.town.folder / "journal.others", beside)
        high = HighWater(self.town.folder / "d.high")
        return Continuity(SqlJournal(self.database), high, Broker(), OwnKey(), "hospital-a", "d", others)

    def put_back(self, copy: Path) -> None:
        self.database.close()
        self.town.put_back(copy)
        self.database = Database.at(self.town.folder / "connector.db", "other")


def test_a_copy_that_forgets_what_another_space_charged_is_refused_in_this_space_too(town: Town) -> None:
    """The lifetime total of an asset is one over both: whoever forgets the other's releases spends them again."""
    street = Street(town)
    copy = town.copy()
    town.write("cmp-1")
    held = street.held()
    held.check()
    held.step()
    town.write("cmp-2")
    held.step()
    street.held().check()
    street.put_back(copy)
    with pytest.raises(Conflict, match="has 0 journal entries, but this connector signed at least 2"):
        street.held().check()
    held._chain = SqlJournal(street.database)
    with pytest.raises(Conflict):  # and so does one that had not stopped
        held.step()
    street.database.close()


def test_what_the_keeper_of_the_store_noted_counts_for_who_was_not_running_then(town: Town) -> None:
    street = Street(town)
    copy = town.copy()
    town.write("cmp-1")
    town.continuity().step()

    def beside() -> dict[str, tuple[int, str]]:
        return {"demo": HighWater(town.high).read()}

    street.held(beside).check()
    street.put_back(copy)
    with pytest.raises(Conflict, match="at least 1"):
        street.held(beside).check()
    street.database.close()


@pytest.mark.parametrize("damage", ["empty", "cut off", "zeroes", "of something else"])
def test_a_torn_file_of_the_other_spaces_never_refuses_the_right_store(town: Town, damage: str) -> None:
    street = Street(town)
    town.write("cmp-1")
    street.held().step()
    path = town.folder / "journal.others"
    path.write_bytes(DAMAGE[damage](path.read_bytes())[:60])
    again = street.held()
    again.check()
    again.step()
    assert Others(path).read() == {"demo": (0, town.journal.head()[1])}
    street.database.close()
