"""What computations took besides privacy loss, inside the ledger's transactions.

INVARIANT: within one period nobody takes past the limit that he names, and what is given back was taken before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hefu.errors import Conflict, Defect
from sqlalchemy import Connection, RowMapping, Select, and_, bindparam, insert, select, update

from hefu_connector.allowances import NONE, Allowance, Taken, lack, take
from hefu_connector.storage.database import insert_new, read_instant, write_instant
from hefu_connector.storage.models import ALLOWANCES, TAKINGS

_ONE = select(ALLOWANCES).where(ALLOWANCES.c.space == bindparam("of"), ALLOWANCES.c.name == bindparam("allowance"))
_LOCKED = _ONE.with_for_update()
_NEVER = 0


class Usage:
    """The allowances of one space. Every method works inside a transaction of its caller.

    INVARIANT: rows are locked in the order of their names, after those of accounts, so that no two transactions wait
    for each other.
    """

    def __init__(self, space: str) -> None:
        self._space = space

    def find(self, connection: Connection, name: str) -> Taken:
        """What was taken of an allowance."""
        row = self._row(connection, name, _ONE)
        return NONE if row is None else _taken(row)

    def lacking(self, connection: Connection, allowances: Sequence[Allowance]) -> dict[str, str]:
        """Lock all of them; why nothing can be taken, by name of those of which that is so.

        Raises:
            Conflict: an allowance is counted in another unit.
        """
        found = {}
        for each in _in_order(allowances):
            row = self._locked(connection, each)
            if row["unit"] != each.unit:
                raise Conflict("budget.limit", account=each.name)
            if why := lack(_taken(row), each):
                found[each.name] = why
        return found

    def take_all(self, connection: Connection, computation: str, allowances: Sequence[Allowance]) -> None:
        """Take of all of them, which are locked and lack nothing."""
        for each in _in_order(allowances):
            row = self._locked(connection, each)
            after = take(_taken(row), each)
            if after.amount > each.limit:
                raise Defect("internal", reference="ledger", detail=f"{each.name} changed under a lock")
            self._write(connection, each.name, after, most=each.limit)
            values = {"space": self._space, "computation": computation, "allowance": each.name, "settled": 0}
            connection.execute(insert(TAKINGS).values(**values, amount=each.amount, period=each.period))

    def settle(self, connection: Connection, computation: str, unit: str, amount: int) -> None:
        """Give back what a computation took too much of a unit; only once."""
        columns = TAKINGS.c
        same = and_(columns.space == ALLOWANCES.c.space, columns.allowance == ALLOWANCES.c.name)
        mine = select(TAKINGS).join(ALLOWANCES, same).where(ALLOWANCES.c.unit == unit)
        mine = mine.where(columns.space == self._space, columns.computation == computation)
        for taking in connection.execute(mine.order_by(columns.allowance)).mappings().all():
            row = self._row(connection, taking["allowance"], _LOCKED)
            one = update(TAKINGS).where(columns.space == self._space, columns.computation == computation)
            one = one.where(columns.allowance == taking["allowance"], columns.settled == 0)
            least = min(amount, taking["amount"])
            if connection.execute(one.values(amount=least, settled=1)).rowcount != 1 or row is None:
                continue
            taken = _taken(row)
            if taken.period == taking["period"]:
                left = Taken(taken.amount - (taking["amount"] - least), taken.period, taken.last)
                self._write(connection, taking["allowance"], left)

    def _locked(self, connection: Connection, allowance: Allowance) -> RowMapping:
        row = self._row(connection, allowance.name, _LOCKED)
        if row is None:
            values = {"unit": allowance.unit, "most": allowance.limit, "taken": 0, "period": 0, "last": _NEVER}
            insert_new(connection, ALLOWANCES, space=self._space, name=allowance.name, **values)
            row = self._row(connection, allowance.name, _LOCKED)
        if row is None:
            raise Defect("internal", reference="ledger", detail=f"{allowance.name} cannot be opened")
        return row

    def _row(self, connection: Connection, name: str, query: Select[Any]) -> RowMapping | None:
        return connection.execute(query, {"of": self._space, "allowance": name}).mappings().one_or_none()

    def _write(self, connection: Connection, name: str, taken: Taken, **limit: int) -> None:
        last = _NEVER if taken.last is None else write_instant(taken.last)
        mine = update(ALLOWANCES).where(ALLOWANCES.c.space == self._space, ALLOWANCES.c.name == name)
        connection.execute(mine.values(taken=taken.amount, period=taken.period, last=last, **limit))


def _in_order(allowances: Sequence[Allowance]) -> list[Allowance]:
    named = {each.name: each for each in allowances}
    return [named[name] for name in sorted(named)]


def _taken(row: RowMapping) -> Taken:
    return Taken(row["taken"], row["period"], read_instant(row["last"]) if row["last"] != _NEVER else None)
