"""Reserve, start and close in any order, against a model of plain lists: charged never falls behind released."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hefu.errors import BudgetExceeded, Conflict, NotFound
from hefu_connector.ports import FINAL, ComputationState
from hefu_connector.storage import Database, SqlJournal, SqlLedger
from hefu_policies.budget import NOTHING, Charge
from hefu_space.simulator.accounts import MemoryJournal, MemoryLedger
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.contracts.stories import NOW, account, assert_whole, charge, entry, run
from tests.deep import examples

IDS = st.sampled_from([f"cmp-{number}" for number in range(6)])
CHARGES = st.builds(charge, st.integers(0, 4), st.integers(0, 3), st.integers(1, 2))
NAMES = st.lists(
    st.sampled_from(["asset/res-a", "asset/res-b", "agreement/agr-a"]), min_size=1, max_size=3, unique=True
)
PARTS = st.lists(st.binary(max_size=3), max_size=2)


class Story(RuleBasedStateMachine):
    """The model: what was charged to whom, limits as they fell, and the ends in order."""

    def open(self) -> tuple[Any, Any]:
        return MemoryLedger(), MemoryJournal()

    @initialize()
    def begin(self) -> None:
        self.ledger, self.journal = self.open()
        self.limits = {"asset/res-a": 9, "asset/res-b": 6, "agreement/agr-a": 7}
        self.reserved: dict[str, tuple[Charge, tuple[str, ...]]] = {}
        self.admitted: set[str] = set()
        self.started: set[str] = set()
        self.ends: dict[str, tuple[ComputationState, list[bytes]]] = {}

    def total(self, name: str) -> Charge:
        return sum((spent for spent, names in self.reserved.values() if name in names), NOTHING)

    @rule(id_=IDS, names=NAMES, spent=CHARGES)
    def reserve(self, id_: str, names: list[str], spent: Charge) -> None:
        accounts = [account(name, epsilon=self.limits[name]) for name in names]
        before = self.reserved.get(id_)
        if before is not None:
            expected: type[Exception] | None = None if before[0] == spent else Conflict
        else:
            totals = [(self.total(name) + spent, self.limits[name]) for name in names]
            fits = all(
                each.loss.epsilon_nano <= limit and each.loss.delta_femto <= 10 and each.releases <= 10
                for each, limit in totals
            )
            expected = None if fits else BudgetExceeded
        self.attempt(expected, lambda: self.ledger.reserve(id_, accounts, spent))
        if expected is None:
            self.reserved.setdefault(id_, (spent, tuple(names)))

    @rule(name=st.sampled_from(["asset/res-a", "asset/res-b"]), by=st.integers(1, 3), id_=IDS)
    def lower_a_limit(self, name: str, by: int, id_: str) -> None:
        lower = max(0, self.limits[name] - by)
        if id_ in self.reserved:
            return
        # A charge that never fits: what remains of the call is that the limit fell.
        self.attempt(BudgetExceeded, lambda: self.ledger.reserve(id_, [account(name, epsilon=lower)], charge(100)))
        self.limits[name] = lower

    @rule(id_=IDS)
    def admit(self, id_: str) -> None:
        _, new = self.journal.admit(run(id_))
        assert new == (id_ not in self.admitted)
        self.admitted.add(id_)

    @rule(id_=IDS)
    def start(self, id_: str) -> None:
        if id_ in self.reserved:
            expected = self.refusal(id_)
            self.attempt(expected, lambda: self.journal.start(id_, self.reserved[id_][0], NOW))
            if expected is None:
                self.started.add(id_)

    @rule(id_=IDS, state=st.sampled_from(sorted(FINAL)), parts=PARTS)
    def close(self, id_: str, state: ComputationState, parts: list[bytes]) -> None:
        released = state is ComputationState.RELEASED
        parts = parts if released else []
        expected = self.refusal(id_)
        if expected is None and released and id_ not in self.started:
            expected = Conflict
        self.attempt(expected, lambda: self.journal.close(id_, state, entry(id_), parts, NOW))
        if expected is None:
            self.ends[id_] = (state, parts)

    def refusal(self, id_: str) -> type[Exception] | None:
        if id_ not in self.admitted:
            return NotFound
        return Conflict if id_ in self.ends else None

    def attempt(self, expected: type[Exception] | None, act: Any) -> None:
        if expected is None:
            act()
        else:
            with pytest.raises(expected) as raised:
                act()
            assert type(raised.value) is expected

    @invariant()
    def accounts_hold_exactly_what_was_charged(self) -> None:
        for balance in self.ledger.balances():
            name = balance.account.name
            assert balance.charged == self.total(name)
            assert balance.account.limit.loss.epsilon_nano == self.limits[name]

    @invariant()
    def nothing_is_released_that_was_not_charged(self) -> None:
        for id_, (state, parts) in self.ends.items():
            kept = self.journal.find(id_)
            assert kept is not None
            assert (kept.state, kept.parts) == (state, len(parts))
            assert [self.journal.part(id_, index) for index in range(len(parts))] == parts
            if state is ComputationState.RELEASED:
                assert kept.charge == self.ledger.charged(id_)

    @invariant()
    def the_chain_is_whole_and_in_the_order_of_the_ends(self) -> None:
        chain = list(self.journal.outbox(100))
        assert_whole(chain, self.journal.head())
        assert chain == [self.journal.find(id_).receipt for id_ in self.ends]


class SqlStory(Story):
    """The same on SQLite, opened anew whenever Hypothesis likes."""

    def open(self) -> tuple[Any, Any]:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "connector.db"
        self.database = Database.at(self.path, "demo")
        return SqlLedger(self.database), SqlJournal(self.database)

    @rule()
    def open_again(self) -> None:
        self.database.close()
        self.database = Database.at(self.path, "demo")
        self.ledger, self.journal = SqlLedger(self.database), SqlJournal(self.database)

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()
            self.folder.cleanup()


@pytest.mark.deep
@pytest.mark.parametrize(("story", "most"), [(Story, examples(30, 3000)), (SqlStory, examples(6, 300))])
def test_no_order_of_steps_releases_more_than_was_charged(story: type[Story], most: int) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        story, settings=settings(max_examples=most, stateful_step_count=25, deadline=None, derandomize=True)
    )
