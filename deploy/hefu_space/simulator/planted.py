"""Bugs on purpose, each the kind that a hurried change would bring: a simulation must find every one of them.

A bug is put in the place of one class of a real room or store; everything around it stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hefu.envelope import Statement
from hefu.errors import Conflict
from hefu.tlog import checkpoint, tiles, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu_broker.log.sequencer import Sequencer
from hefu_broker.records import Head
from hefu_connector.allowances import Allowance
from hefu_connector.computing.enforcement import Enforcement
from hefu_connector.computing.world import World
from hefu_connector.membership.continuity import Continuity
from hefu_connector.ports import Account, Balance, Contract, Run
from hefu_policies.budget import NOTHING, Charge

from hefu_space.simulator.accounts import BALANCES, CHARGES, RUNS, MemoryJournal, MemoryLedger
from hefu_space.simulator.disk import Store
from hefu_space.simulator.member import Kinds
from hefu_space.simulator.shelves import PAPERS, MemoryContracts
from hefu_space.simulator.story import Bugs


class ChargesLate(MemoryLedger):
    """Charges what was reserved only when the next reservation comes: "it is faster to write two at once"."""

    def __init__(self, store: Store | None = None) -> None:
        super().__init__(store)
        self._later: list[tuple[str, Sequence[Account], Charge, Sequence[Allowance]]] = []

    def reserve(
        self, computation: str, accounts: Sequence[Account], charge: Charge, allowances: Sequence[Allowance] = ()
    ) -> None:
        """As in the port, but for the durability."""
        for each in self._later:
            super().reserve(*each)
        self._later = [(computation, accounts, charge, allowances)]


class ForgetsWhatItCharged(MemoryLedger):
    """Does not remember computations: "the journal knows them"."""

    def reserve(
        self, computation: str, accounts: Sequence[Account], charge: Charge, allowances: Sequence[Allowance] = ()
    ) -> None:
        """As in the port, but charges again."""
        with self._store.writing() as draft:
            draft.write(CHARGES).pop(computation, None)
        super().reserve(computation, accounts, charge, allowances)


class AdmitsAgain(MemoryJournal):
    """Takes a repeated request that has not ended for a new one: "the first was lost anyway"."""

    def admit(self, run: Run) -> tuple[Run, bool]:
        """As in the port, but says that it is new."""
        kept, new = super().admit(run)
        return kept, new or kept.receipt is None


class TrustsTheDecision(MemoryLedger):
    """Charges without looking at the limit: "the decision point has seen the balance already"."""

    def reserve(
        self, computation: str, accounts: Sequence[Account], charge: Charge, allowances: Sequence[Allowance] = ()
    ) -> None:
        """As in the port, but nothing is ever too much."""
        with self._store.writing() as draft:
            if computation in draft.read(CHARGES):
                return
            for each in accounts:
                held = draft.read(BALANCES).get(each.name, Balance(each, NOTHING))
                draft.write(BALANCES)[each.name] = Balance(each, held.charged + charge)
            draft.write(CHARGES)[computation] = charge


class GoesOnAfterAnEnd(Enforcement):
    """Does not stop what runs when its agreement ends, nor looks again: "it was permitted when it began"."""

    def end_agreement(self, agreement: str) -> None:
        """As in the real one, but does nothing."""

    def _check_standing(self, admitted: object) -> None:
        """As in the real one, but does nothing."""


class ReleasesTwice(Enforcement):
    """Computes anew what a crash interrupted: "the consumer should get its answer"."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._journal = world.journal

    def recover(self) -> int:
        """As in the real one, but opens what was closed as failed again."""
        ended = super().recover()
        journal = self._journal
        if isinstance(journal, MemoryJournal):
            with journal._store.writing() as draft:
                for id_, run in list(draft.read(RUNS).items()):
                    if run.receipt is not None and b"computation.interrupted" in run.receipt:
                        draft.write(RUNS)[id_] = replace(run, receipt=None, state=run.state.__class__("running"))
        return ended


class ForgetsEnds(MemoryContracts):
    """Keeps an agreement anew when the broker shows it again, and forgets that it had ended."""

    def terminate(self, agreement: str, termination: Statement) -> None:
        """As in the port, but the next `keep` undoes it."""
        super().terminate(agreement, termination)

    def load(self, agreement: str) -> Contract:
        """As in the port, but takes back an end of its own after it was looked at."""
        found = super().load(agreement)
        if found.termination is not None and found.termination.issuer != found.agreement.provider.participant:
            with self._store.writing() as draft:
                draft.write(PAPERS)[agreement] = replace(draft.read(PAPERS)[agreement], termination=None)
        return found


class GoesOnBehind(Sequencer):
    """Does not compare the database with the newest signed checkpoint: a restored backup forks the log."""

    def _check(self, head: Head) -> None:
        """As in the real one, but looks at nothing."""


class ForgetsWhereItWas(Continuity):
    """Does not compare the store with what is known outside of it: a restored backup forgets charges."""

    def check(self, *, ask: bool = True) -> None:
        """As in the real one, but looks at nothing."""

    def ask(self) -> None:
        """As in the real one, but asks nobody."""

    def step(self) -> None:
        """As in the real one, but notes nothing new."""
        try:
            super().step()
        except Conflict:
            return


class SignsFirst(Sequencer):
    """Keeps a checkpoint of what it is about to commit: "so that nobody waits for the disk"."""

    def sequence(self) -> int:
        """As in the real one, but signs a root of the entries as they will be."""
        waiting, head = self._outbox.pending(1024), self._store.head()
        if waiting and self._head is not None:
            leaves = [tree.leaf_hash(each.outgoing.envelope) for each in waiting]
            added = tiles.append(head.size, leaves, tiles.held(self._store.tiles(tiles.edge(head.size))))
            ahead = Checkpoint(self._key.name, added.size, added.root)
            self._store.keep_checkpoint(added.size, checkpoint.sign(ahead, self._key, self._sign))
        return super().sequence()


BUGS = {
    "charges-late": Bugs(Kinds(ledger=ChargesLate)),
    "charges-twice": Bugs(Kinds(ledger=ForgetsWhatItCharged, journal=AdmitsAgain)),
    "trusts-the-decision": Bugs(Kinds(ledger=TrustsTheDecision)),
    "goes-on-after-an-end": Bugs(Kinds(enforcement=GoesOnAfterAnEnd)),
    "two-receipts": Bugs(Kinds(enforcement=ReleasesTwice)),
    "forgets-ends": Bugs(Kinds(contracts=ForgetsEnds)),
    "forgets-where-it-was": Bugs(Kinds(continuity=ForgetsWhereItWas)),
    "forks-the-log": Bugs(sequencer=GoesOnBehind),
    "signs-first": Bugs(sequencer=SignsFirst),
}
