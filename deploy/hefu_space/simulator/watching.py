"""What a simulation writes into its history: every commit of every disk, looked at from outside the rooms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hefu import canonical
from hefu.envelope import Statement
from hefu.statements.receipt import SEALED, Receipt
from hefu.tlog.checkpoint import Checkpoint
from hefu_broker.records import Entry, Talk
from hefu_connector.computing.computation import Plan
from hefu_connector.computing.request import ComputationRequest
from hefu_connector.contracting.contracts import Papers
from hefu_connector.membership.log_history import CHECKPOINT
from hefu_connector.ports import Balance
from hefu_connector.shelves import Mark, OwnRequest
from hefu_policies.budget import Charge

from hefu_space.history import History, sealed
from hefu_space.simulator import accounts, centre_stores, shelves
from hefu_space.simulator.disk import Disk, Rows

_TALKS = {"FINALIZED": "finalized", "TERMINATED": "terminated"}


class Watching:
    """Notes what is new in a disk's tables after each commit."""

    def __init__(self, disk: Disk, history: History) -> None:
        self._disk = disk
        self._history = history
        self._seen: dict[str, Rows] = {}
        self._tell: dict[str, Callable[[Any, Any], None]] = {
            accounts.BALANCES: self._balance,
            accounts.CHAIN: self._sealed,
            shelves.REQUESTS: self._request,
            shelves.RECEIVED: self._part,
            shelves.PAPERS: self._papers,
            shelves.MARKS: self._mark,
            centre_stores.ENTRIES: self._entry,
            centre_stores.CHECKPOINTS: self._checkpoint,
            centre_stores.TALKS: self._talk,
        }

    def __call__(self, touched: set[str]) -> None:
        """Tables were committed."""
        for name in sorted(touched & set(self._tell)):
            rows, before = self._disk.tables[name], self._seen.get(name, {})
            for key, value in rows.items():
                if before.get(key) != value:
                    self._tell[name](key, value)
            self._seen[name] = rows

    def _note(self, kind: str, **facts: Any) -> None:
        self._history.note(self._disk.node, kind, **facts)

    def _balance(self, name: str, balance: Balance) -> None:
        limit = Charge(balance.account.limit.loss, balance.account.limit.releases)
        self._note("balance", account=name, charged=_amounts(balance.charged), limit=_amounts(limit))

    def _sealed(self, _: int, envelope: bytes) -> None:
        self._note("sealed", **sealed(envelope))

    def _request(self, _: str, own: OwnRequest) -> None:
        before = self._seen.get(shelves.REQUESTS, {}).get(own.id)
        if before is None:
            asked = ComputationRequest.of(Statement.parse(own.envelope))
            loss = Plan.of(asked.plan).loss
            price = _amounts(Charge(loss))
            digest = canonical.digest(own.envelope)
            self._note("asked", computation=own.id, agreement=own.agreements[0], request=digest, price=price)
        if own.fault and (before is None or not before.fault):
            self._note("given_up", computation=own.id, code=own.fault)
        if own.receipt is not None and (before is None or before.receipt is None):
            state, digest = str(own.state), canonical.digest(own.receipt)
            self._note("told", computation=own.id, state=state, receipt=digest, parts=_parts(own.receipt))

    def _part(self, key: tuple[str, int], data: bytes) -> None:
        self._note("part", computation=key[0], index=key[1], digest=canonical.digest(data))

    def _papers(self, agreement: str, papers: Papers) -> None:
        state = "active" if papers.termination is None else "ended"
        negotiation = str(Statement.parse(papers.countersignature).body["negotiation"])
        parties = [str(each["participant"]) for each in Statement.parse(papers.agreement).body["parties"]]  # type: ignore[union-attr,call-overload,index]
        self._note("contract", negotiation=negotiation, agreement=agreement, state=state, parties=parties)

    def _mark(self, name: str, mark: Mark) -> None:
        if name == CHECKPOINT:
            self._view(mark.text)

    def _checkpoint(self, _: int, kept: tuple[int, str]) -> None:
        self._view(kept[1])

    def _view(self, note: str) -> None:
        head = Checkpoint.parse(note.partition("\n\n")[0] + "\n")
        self._note("view", size=head.size, root=head.root.hex())

    def _entry(self, _: int, entry: Entry) -> None:
        out = entry.outgoing
        self._note("entry", index=entry.index, leaf=entry.leaf_hash.hex(), digest=out.digest, type=out.type)

    def _talk(self, id_: str, talk: Talk) -> None:
        agreement = str(talk.agreement.body["agreement"]) if talk.agreement else ""
        state = _TALKS.get(talk.state.value, talk.state.value.lower())
        before = self._seen.get(centre_stores.TALKS, {}).get(id_)
        if before is None or before.state is not talk.state:
            self._note("contract", negotiation=id_, agreement=agreement, state=state)


def _amounts(charge: Charge) -> list[int]:
    return [charge.loss.epsilon_nano, charge.loss.delta_femto, charge.releases, charge.loss.rho_nano]


def _parts(envelope: bytes) -> int:
    statement = Statement.parse(envelope)
    return len(Receipt.of(statement).parts) if statement.type == SEALED else 0
