"""Durable accounts of privacy loss: a charge goes against all its accounts in one transaction, or against none.

INVARIANT: charged never falls, and never passes the limit that held when it was charged.
INVARIANT: no sum wraps around in 64 bits: limits are below 2^53 (`Budget`), sums are checked in Python's integers
first, and so only a charge that ends at or below its limit reaches the database.
INVARIANT: an asset has one account for all spaces and processes of this store; every other account, and a computation's
id, belongs to the space it came from, so that nobody elsewhere can answer for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hefu.errors import BudgetExceeded, Conflict, Defect
from hefu.running import faults
from hefu_policies.budget import NOTHING, ZCDP, Budget, Charge, PrivacyLoss, remaining, would_exceed
from sqlalchemy import BigInteger, Connection, RowMapping, Select, Update, bindparam, insert, select, update

from hefu_connector.allowances import Allowance, Taken
from hefu_connector.ports import Account, Balance
from hefu_connector.storage.database import Database, insert_new
from hefu_connector.storage.models import ACCOUNTS, CHARGES, RESERVATIONS
from hefu_connector.storage.usage import Usage

ASSET = "asset/"
_UNITS = ("epsilon_nano", "delta_femto", "releases", "rho_nano")


class SqlLedger:
    """`ports.Ledger` in the connector's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._usage = Usage(database.space)

    def reserve(
        self, computation: str, accounts: Sequence[Account], charge: Charge, allowances: Sequence[Allowance] = ()
    ) -> None:
        """As in the port. A limit that fell stays fallen even where the charge is refused.

        Raises:
            BudgetExceeded: an account or allowance would exceed its limit.
            Conflict: a limit differs (`settled`), or the computation was charged before with another charge.
        """
        if not accounts:
            raise Defect("internal", reference="ledger", detail="a charge without an account would be free")
        with self._database.writing() as connection:
            if self._charged_before(connection, computation, charge):
                return
            in_order = sorted(accounts, key=lambda each: each.name)  # so that no two wait for each other
            balances = {each.name: _settle_limit(connection, self._of(each.name), each) for each in in_order}
            short = [each for each in balances.values() if would_exceed(each.charged, charge, each.account.limit)]
            lacking = self._usage.lacking(connection, allowances)
            if not short and not lacking:
                self._charge_all(connection, computation, list(balances), charge)
                self._usage.take_all(connection, computation, allowances)
            faults.point("ledger.before_commit")
        if short or lacking:
            raise _refusal(charge, short, lacking)

    def balance(self, account: Account) -> Balance:
        """As in the port. The limit is the one that is kept, if there is one."""
        with self._database.reading() as connection:
            found = _find(connection, self._of(account.name), account.name, _ACCOUNT)
        return found or Balance(account, NOTHING)

    def balances(self) -> Sequence[Balance]:
        """As in the port."""
        query = select(ACCOUNTS).where(ACCOUNTS.c.space.in_(["", self._database.space]))
        with self._database.reading() as connection:
            found = [_balance(row) for row in connection.execute(query).mappings()]
        return sorted(found, key=lambda each: each.account.name)

    def charged(self, computation: str) -> Charge | None:
        """As in the port."""
        with self._database.reading() as connection:
            return self._charged(connection, computation)

    def taken(self, name: str) -> Taken:
        """As in the port."""
        with self._database.reading() as connection:
            return self._usage.find(connection, name)

    def settle(self, computation: str, unit: str, amount: int) -> None:
        """As in the port."""
        with self._database.writing() as connection:
            self._usage.settle(connection, computation, unit, amount)

    def _of(self, name: str) -> str:
        """The space that an account belongs to; none for an asset's."""
        return "" if name.startswith(ASSET) else self._database.space

    def _charged(self, connection: Connection, computation: str) -> Charge | None:
        named = {"space": self._database.space, "id": computation}
        row = connection.execute(_RESERVATION, named).mappings().one_or_none()
        return None if row is None else _charge_of(row)

    def _charged_before(self, connection: Connection, computation: str, charge: Charge) -> bool:
        before = self._charged(connection, computation)
        if before is not None and before != charge:
            raise Conflict("budget.charged", computation=computation)
        return before is not None

    def _charge_all(self, connection: Connection, computation: str, names: Sequence[str], charge: Charge) -> None:
        whose = {"space": self._database.space, "computation": computation}
        if not insert_new(connection, RESERVATIONS, **whose, **_columns(charge)):
            self._charged_before(connection, computation, charge)  # another process was first, with the same charge
            return
        for name in names:
            # The rows are locked and the sums were checked; the condition holds the invariant against our own mistakes.
            account = {"of": self._of(name), "account": name, **_columns(charge, "add_")}
            if connection.execute(_CHARGE, account).rowcount != 1:
                raise Defect("internal", reference="ledger", detail=f"{name} changed under a lock")
        connection.execute(insert(CHARGES), [{**whose, "of": self._of(name), "account": name} for name in names])


def settled(kept: Account, given: Account) -> Budget:
    """The limit that holds from now on for an account that is known already.

    Raises:
        Conflict: an asset's limit would grow, or another account's would change at all.
    """
    same = kept.limit == given.limit
    falls = given.name.startswith(ASSET) and given.limit.fits(kept.limit)
    if not same and (not falls or given.limit.currency != kept.limit.currency):
        raise Conflict("budget.limit", account=given.name)
    return given.limit


def _refusal(charge: Charge, short: Sequence[Balance], lacking: Mapping[str, str]) -> BudgetExceeded:
    reasons = [*lacking.values()]
    for each in short:
        if each.account.name.startswith(ASSET):
            # What remains of an asset is what others spent; that is not this consumer's to know.
            reasons.append(f"{each.account.name}: {_amount(charge.loss)} asked, which is more than remains")
            continue
        left = remaining(each.charged, each.account.limit)
        reasons.append(
            f"{each.account.name}: {_amount(charge.loss)} asked, {_left(left)} remains; "
            f"delta {charge.loss.delta} asked, {left.loss.delta} remains; "
            f"releases {charge.releases} asked, {left.releases} remain"
        )
    names = [*(each.account.name for each in short), *lacking]
    return BudgetExceeded("budget.exhausted", account=names[0], reasons=reasons)


def _amount(loss: PrivacyLoss) -> str:
    return f"rho {loss.rho}" if loss.rho_nano else f"epsilon {loss.epsilon}"


def _left(left: Budget) -> str:
    return f"rho {left.loss.rho}" if left.currency == ZCDP else f"{left.loss.epsilon}"


def _settle_limit(connection: Connection, space: str, account: Account) -> Balance:
    kept = _find(connection, space, account.name, _LOCKED)
    if kept is None:
        amounts = _limit_columns(account.limit) | _columns(NOTHING, "charged_")
        insert_new(connection, ACCOUNTS, space=space, name=account.name, currency=account.limit.currency, **amounts)
        kept = _find(connection, space, account.name, _LOCKED)
    if kept is None:
        raise Defect("internal", reference="ledger", detail=f"{account.name} cannot be opened")
    limit = settled(kept.account, account)
    if limit != kept.account.limit:
        mine = update(ACCOUNTS).where(ACCOUNTS.c.space == space, ACCOUNTS.c.name == account.name)
        connection.execute(mine.values(**_limit_columns(limit)))
    return replace(kept, account=account)


def _charge_one() -> Update:
    statement = update(ACCOUNTS).where(ACCOUNTS.c.space == bindparam("of"), ACCOUNTS.c.name == bindparam("account"))
    values = {}
    for unit in _UNITS:
        total = ACCOUNTS.c[f"charged_{unit}"] + bindparam(f"add_{unit}", type_=BigInteger)
        statement = statement.where(total <= ACCOUNTS.c[f"limit_{unit}"])
        values[f"charged_{unit}"] = total
    return statement.values(values)


# Built once: an expression costs more than its execution.
_RESERVATION = select(RESERVATIONS).where(
    RESERVATIONS.c.space == bindparam("space"), RESERVATIONS.c.computation == bindparam("id")
)
_ACCOUNT = select(ACCOUNTS).where(ACCOUNTS.c.space == bindparam("of"), ACCOUNTS.c.name == bindparam("account"))
_LOCKED = _ACCOUNT.with_for_update()
_CHARGE = _charge_one()


def _find(connection: Connection, space: str, name: str, query: Select[Any]) -> Balance | None:
    row = connection.execute(query, {"of": space, "account": name}).mappings().one_or_none()
    return None if row is None else _balance(row)


def _balance(row: RowMapping) -> Balance:
    limit = _charge_of(row, "limit_")
    account = Account(row["name"], Budget(limit.loss, limit.releases, row["currency"]))
    return Balance(account, _charge_of(row, "charged_"))


def _charge_of(row: Mapping[Any, Any], prefix: str = "") -> Charge:
    epsilon, delta, releases, rho = (row[prefix + unit] for unit in _UNITS)
    return Charge(PrivacyLoss(epsilon, delta, rho), releases)


def _columns(charge: Charge, prefix: str = "") -> dict[str, int]:
    amounts = (charge.loss.epsilon_nano, charge.loss.delta_femto, charge.releases, charge.loss.rho_nano)
    return {prefix + unit: amount for unit, amount in zip(_UNITS, amounts, strict=True)}


def _limit_columns(limit: Budget) -> dict[str, int]:
    return _columns(Charge(limit.loss, limit.releases), "limit_")
