"""Ledger and journal in memory, behind the real ports: one lock, plain dicts, nothing clever."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from hefu import canonical
from hefu.errors import BudgetExceeded, Conflict, Defect, NotFound
from hefu_connector.ports import FINAL, Account, Balance, ComputationState, Entry, Run
from hefu_policies.budget import NOTHING, Charge, remaining, would_exceed


class MemoryLedger:
    """`ports.BudgetLedger` in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._balances: dict[str, Balance] = {}
        self._charges: dict[str, Charge] = {}

    def reserve(self, computation: str, accounts: Sequence[Account], charge: Charge) -> None:
        """As in the port."""
        if not accounts:
            raise Defect("internal", reference="ledger")
        with self._lock:
            before = self._charges.get(computation)
            if before is not None:
                if before != charge:
                    raise Conflict("budget.charged", computation=computation)
                return
            settled = dict(self._balances)
            for account in accounts:
                kept = settled.get(account.name, Balance(account, NOTHING))
                falls = account.name.startswith("asset/") and account.limit.fits(kept.account.limit)
                if account.limit != kept.account.limit and not falls:
                    raise Conflict("budget.limit", account=account.name)
                settled[account.name] = Balance(account, kept.charged)
            self._balances = settled
            named = [settled[name] for name in sorted({each.name for each in accounts})]
            short = [each for each in named if would_exceed(each.charged, charge, each.account.limit)]
            if short:
                left = [
                    f"{each.account.name}: more asked than remains"
                    if each.account.name.startswith("asset/")
                    else f"{each.account.name}: {remaining(each.charged, each.account.limit)} remains"
                    for each in short
                ]
                raise BudgetExceeded("budget.exhausted", account=short[0].account.name, reasons=left)
            for each in named:
                self._balances[each.account.name] = Balance(each.account, each.charged + charge)
            self._charges[computation] = charge

    def balance(self, account: Account) -> Balance:
        """As in the port."""
        with self._lock:
            return self._balances.get(account.name, Balance(account, NOTHING))

    def balances(self) -> Sequence[Balance]:
        """As in the port."""
        with self._lock:
            return [self._balances[name] for name in sorted(self._balances)]

    def charged(self, computation: str) -> Charge | None:
        """As in the port."""
        with self._lock:
            return self._charges.get(computation)


class MemoryJournal:
    """`ports.Journal` and `ports.JournalReader` in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}
        self._parts: dict[str, tuple[bytes, ...]] = {}
        self._chain: list[bytes] = []
        self._sent: set[str] = set()

    def admit(self, run: Run) -> tuple[Run, bool]:
        """As in the port."""
        if run.state in FINAL:
            raise Defect("internal", reference="journal")
        with self._lock:
            new = run.id not in self._runs
            kept = self._runs.setdefault(run.id, run)
            if (kept.request, kept.consumer) != (run.request, run.consumer):
                raise Conflict("computation.other", computation=run.id)
            return kept, new

    def start(self, computation: str, charge: Charge, at: datetime) -> None:
        """As in the port."""
        with self._lock:
            run = self._need_open(computation)
            if run.charge not in (None, charge):
                raise Conflict("budget.charged", computation=computation)
            if run.charge is None:
                self._runs[computation] = replace(run, state=ComputationState.RUNNING, charge=charge, updated=at)

    def close(
        self, computation: str, state: ComputationState, entry: Entry, parts: Sequence[bytes], at: datetime
    ) -> Run:
        """As in the port."""
        if state not in FINAL or (parts and state is not ComputationState.RELEASED):
            raise Defect("internal", reference="journal")
        with self._lock:
            run = self._need_open(computation)
            if state is ComputationState.RELEASED and run.charge is None:
                raise Conflict("computation.uncharged", computation=computation)
            sequence, previous = self._head()
            statement = entry.sign(sequence, previous)
            place = statement.body.get("journal")
            if not isinstance(place, dict) or (place.get("sequence"), place.get("previous")) != (sequence, previous):
                raise Defect("internal", reference="journal")
            receipt = statement.to_bytes()
            self._chain.append(receipt)
            self._parts[computation] = tuple(parts)
            ended = replace(
                run, state=state, receipt=receipt, parts=len(parts), updated=at, release_at=entry.release_at
            )
            self._runs[computation] = ended
            return ended

    def find(self, computation: str) -> Run | None:
        """As in the port."""
        with self._lock:
            return self._runs.get(computation)

    def part(self, computation: str, index: int) -> bytes:
        """As in the port."""
        with self._lock:
            parts = self._parts.get(computation, ())
            if not 0 <= index < len(parts):
                raise NotFound("resource.not_found", what="release part", name=computation)
            return parts[index]

    def runs(self, limit: int, before: str = "") -> Sequence[Run]:
        """As in the port."""
        with self._lock:
            newest = list(reversed(self._runs.values()))
        ids = [each.id for each in newest]
        if before and before not in ids:
            return []
        start = ids.index(before) + 1 if before else 0
        return newest[start : start + limit]

    def unfinished(self) -> Sequence[Run]:
        """As in the port."""
        with self._lock:
            return [each for each in self._runs.values() if each.state not in FINAL]

    def outbox(self, limit: int) -> Sequence[bytes]:
        """As in the port."""
        with self._lock:
            return [each for each in self._chain if canonical.digest(each) not in self._sent][:limit]

    def sent(self, digests: Sequence[str]) -> None:
        """As in the port."""
        with self._lock:
            self._sent.update(digests)

    def head(self) -> tuple[int, str]:
        """As in the port."""
        with self._lock:
            return self._head()

    def _head(self) -> tuple[int, str]:
        return len(self._chain), canonical.digest(self._chain[-1]) if self._chain else ""

    def _need_open(self, computation: str) -> Run:
        run = self._runs.get(computation)
        if run is None:
            raise NotFound("resource.not_found", what="computation", name=computation)
        if run.state in FINAL:
            raise Conflict("computation.final", computation=computation, state=run.state.value)
        return run
