"""Ledger and journal of a connector in memory, behind the real ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from hefu import canonical
from hefu.errors import BudgetExceeded, Conflict, Defect, NotFound
from hefu.running import faults
from hefu_connector.allowances import NONE, Allowance, Taken, lack, take
from hefu_connector.ports import FINAL, Account, Balance, ComputationState, Disclosed, Entry, Run
from hefu_policies.budget import NOTHING, Charge, remaining, would_exceed

from hefu_space.simulator.disk import Draft, Store

BALANCES, CHARGES = "balances", "charges"
ALLOWANCES, TAKINGS, SETTLED = "allowances", "takings", "settled"
DISCLOSED = "disclosed"
RUNS, PARTS, CHAIN, SENT, DECISIONS, FILED = "runs", "parts", "chain", "sent", "decisions", "filed"


class MemoryLedger:
    """`ports.Ledger` in memory."""

    def __init__(self, store: Store | None = None) -> None:
        self._store = store or Store()

    def reserve(
        self, computation: str, accounts: Sequence[Account], charge: Charge, allowances: Sequence[Allowance] = ()
    ) -> None:
        """As in the port."""
        if not accounts:
            raise Defect("internal", reference="ledger")
        with self._store.writing() as draft:
            before = draft.read(CHARGES).get(computation)
            if before is not None:
                if before != charge:
                    raise Conflict("budget.charged", computation=computation)
                return
            named = _settle(draft, accounts)
            short = [each for each in named if would_exceed(each.charged, charge, each.account.limit)]
            lacking = _lacking(draft, allowances)
            if not short and not lacking:
                self._charge(draft, computation, named, charge)
                _take(draft, computation, allowances)
            faults.point("ledger.before_commit")
        if short or lacking:
            raise _refusal(short, lacking)

    def balance(self, account: Account) -> Balance:
        """As in the port."""
        with self._store.reading() as draft:
            found: Balance = draft.read(BALANCES).get(account.name, Balance(account, NOTHING))
            return found

    def balances(self) -> Sequence[Balance]:
        """As in the port."""
        with self._store.reading() as draft:
            return [found for _, found in sorted(draft.read(BALANCES).items())]

    def charged(self, computation: str) -> Charge | None:
        """As in the port."""
        with self._store.reading() as draft:
            found: Charge | None = draft.read(CHARGES).get(computation)
            return found

    def taken(self, name: str) -> Taken:
        """As in the port."""
        with self._store.reading() as draft:
            return _taken(draft, name)

    def settle(self, computation: str, unit: str, amount: int) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            for key, taking in [*draft.read(TAKINGS).items()]:
                if key[0] == computation and taking.unit == unit and key not in draft.read(SETTLED):
                    wanted, found = draft.read(ALLOWANCES)[taking.name]
                    back = max(0, taking.amount - amount) if taking.period == found.period else 0
                    draft.write(ALLOWANCES)[taking.name] = wanted, replace(found, amount=found.amount - back)
                    draft.write(SETTLED)[key] = min(amount, taking.amount)

    def _charge(self, draft: Draft, computation: str, named: Sequence[Balance], charge: Charge) -> None:
        for each in named:
            draft.write(BALANCES)[each.account.name] = Balance(each.account, each.charged + charge)
        draft.write(CHARGES)[computation] = charge


def _settle(draft: Draft, accounts: Sequence[Account]) -> list[Balance]:
    balances = draft.write(BALANCES)
    for account in accounts:
        kept = balances.get(account.name, Balance(account, NOTHING))
        falls = account.name.startswith("asset/") and account.limit.fits(kept.account.limit)
        if account.limit != kept.account.limit and not falls:
            raise Conflict("budget.limit", account=account.name)
        balances[account.name] = Balance(account, kept.charged)
    return [balances[name] for name in sorted({each.name for each in accounts})]


def _taken(draft: Draft, name: str) -> Taken:
    taken: Taken = draft.read(ALLOWANCES).get(name, (None, NONE))[1]
    return taken


def _lacking(draft: Draft, allowances: Sequence[Allowance]) -> dict[str, str]:
    found = {}
    for each in allowances:
        kept, taken = draft.read(ALLOWANCES).get(each.name, (each, NONE))
        if kept.unit != each.unit:
            raise Conflict("budget.limit", account=each.name)
        if why := lack(taken, each):
            found[each.name] = why
    return found


def _take(draft: Draft, computation: str, allowances: Sequence[Allowance]) -> None:
    for each in {one.name: one for one in allowances}.values():
        draft.write(ALLOWANCES)[each.name] = each, take(_taken(draft, each.name), each)
        draft.write(TAKINGS)[computation, each.name] = each


def _refusal(short: Sequence[Balance], lacking: Mapping[str, str]) -> BudgetExceeded:
    left = [
        f"{each.account.name}: more asked than remains"
        if each.account.name.startswith("asset/")
        else f"{each.account.name}: {remaining(each.charged, each.account.limit)} remains"
        for each in short
    ]
    names = [*(each.account.name for each in short), *lacking]
    return BudgetExceeded("budget.exhausted", account=names[0], reasons=[*left, *lacking.values()])


class MemoryJournal:
    """`ports.Journal` and `ports.JournalReader` in memory."""

    def __init__(self, store: Store | None = None) -> None:
        self._store = store or Store()

    def admit(self, run: Run) -> tuple[Run, bool]:
        """As in the port."""
        if run.state in FINAL:
            raise Defect("internal", reference="journal")
        with self._store.writing() as draft:
            new = run.id not in draft.read(RUNS)
            kept: Run = draft.write(RUNS).setdefault(run.id, run)
        if (kept.request, kept.consumer) != (run.request, run.consumer):
            raise Conflict("computation.other", computation=run.id)
        return kept, new

    def start(self, computation: str, charge: Charge, at: datetime) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            run = _need_open(draft, computation)
            if run.charge not in (None, charge):
                raise Conflict("budget.charged", computation=computation)
            if run.charge is None:
                running = replace(run, state=ComputationState.RUNNING, charge=charge, updated=at)
                draft.write(RUNS)[computation] = running

    def close(
        self, computation: str, state: ComputationState, entry: Entry, parts: Sequence[bytes], at: datetime
    ) -> Run:
        """As in the port."""
        if state not in FINAL or (parts and state is not ComputationState.RELEASED):
            raise Defect("internal", reference="journal")
        with self._store.writing() as draft:
            run = _need_open(draft, computation)
            if state is ComputationState.RELEASED and run.charge is None:
                raise Conflict("computation.uncharged", computation=computation)
            receipt = _append(draft, entry)
            draft.write(PARTS)[computation] = tuple(parts)
            draft.write(DECISIONS)[computation] = entry.decisions
            draft.write(FILED)[computation] = entry.filed
            ended = replace(
                run, state=state, receipt=receipt, parts=len(parts), updated=at, release_at=entry.release_at
            )
            draft.write(RUNS)[computation] = ended
            faults.point("journal.before_commit")
        faults.point("journal.closed")
        return ended

    def find(self, computation: str) -> Run | None:
        """As in the port."""
        with self._store.reading() as draft:
            found: Run | None = draft.read(RUNS).get(computation)
            return found

    def part(self, computation: str, index: int) -> bytes:
        """As in the port."""
        with self._store.reading() as draft:
            parts: tuple[bytes, ...] = draft.read(PARTS).get(computation, ())
        if not 0 <= index < len(parts):
            raise NotFound("resource.not_found", what="release part", name=computation)
        return parts[index]

    def filed(self, computation: str) -> bytes:
        """The sealed openings of a computation's end; empty where nothing is filed."""
        with self._store.reading() as draft:
            found: bytes = draft.read(FILED).get(computation, b"")
            return found

    def decisions(self, computation: str) -> bytes:
        """As in `ports.DecisionRecords`."""
        with self._store.reading() as draft:
            found: bytes = draft.read(DECISIONS).get(computation, b"")
            return found

    def runs(self, limit: int, before: str = "") -> Sequence[Run]:
        """As in the port."""
        with self._store.reading() as draft:
            newest: list[Run] = [*draft.read(RUNS).values()][::-1]
        ids = [each.id for each in newest]
        if before and before not in ids:
            return []
        start = ids.index(before) + 1 if before else 0
        return newest[start : start + limit]

    def unfinished(self) -> Sequence[Run]:
        """As in the port."""
        with self._store.reading() as draft:
            return [each for each in draft.read(RUNS).values() if each.state not in FINAL]

    def outbox(self, limit: int) -> Sequence[bytes]:
        """As in the port."""
        with self._store.reading() as draft:
            sent = draft.read(SENT)
            return [each for each in draft.read(CHAIN).values() if canonical.digest(each) not in sent][:limit]

    def sent(self, digests: Sequence[str]) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            draft.write(SENT).update(dict.fromkeys(digests, True))

    def head(self) -> tuple[int, str]:
        """As in the port."""
        with self._store.reading() as draft:
            return _head(draft)

    def others(self) -> Mapping[str, tuple[int, str]]:
        """Of the chains of other spaces on this store: here there is one space."""
        return {}

    def digest_at(self, sequence: int, space: str = "") -> str:
        """The digest of the envelope at a place of the chain; empty where there is none."""
        with self._store.reading() as draft:
            found: bytes | None = draft.read(CHAIN).get(sequence)
            return canonical.digest(found) if found is not None else ""


class MemoryDisclosures:
    """`ports.Disclosures` in memory."""

    def __init__(self, store: Store | None = None) -> None:
        self._store = store or Store()

    def of(self, resource: str) -> Sequence[Disclosed]:
        """As in the port."""
        with self._store.reading() as draft:
            found: tuple[Disclosed, ...] = draft.read(DISCLOSED).get(resource, ())
            return found

    def add(self, resource: str, place: int, disclosed: Disclosed) -> None:
        """As in the port."""
        with self._store.writing() as draft:
            kept = draft.read(DISCLOSED).get(resource, ())
            if place != len(kept):
                raise Conflict("exact.overtaken")
            draft.write(DISCLOSED)[resource] = (*kept, disclosed)


def _append(draft: Draft, entry: Entry) -> bytes:
    sequence, previous = _head(draft)
    statement = entry.sign(sequence, previous)
    place = statement.body.get("journal")
    if not isinstance(place, dict) or (place.get("sequence"), place.get("previous")) != (sequence, previous):
        raise Defect("internal", reference="journal")
    receipt = statement.to_bytes()
    draft.write(CHAIN)[sequence] = receipt
    return receipt


def _head(draft: Draft) -> tuple[int, str]:
    chain = draft.read(CHAIN)
    return len(chain), canonical.digest(chain[len(chain) - 1]) if chain else ""


def _need_open(draft: Draft, computation: str) -> Run:
    run: Run | None = draft.read(RUNS).get(computation)
    if run is None:
        raise NotFound("resource.not_found", what="computation", name=computation)
    if run.state in FINAL:
        raise Conflict("computation.final", computation=computation, state=run.state.value)
    return run
