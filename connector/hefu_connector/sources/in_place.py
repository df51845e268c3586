"""What every source that counts in place does: which questions it counts, how its numbers are handed to a worker, and
which columns it can read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from hefu.canonical import Object
from hefu.errors import Malformed
from hefu_policies.goods.resource import Resource

from hefu_connector.engines.shape import Shape
from hefu_connector.ports import Table
from hefu_connector.sources import spool


def counted(asked: Object | None) -> Shape | None:
    """The shape of what is asked, where whole numbers of it can be made in place and noise is added to them."""
    if asked is None or "noise" not in asked or not isinstance(asked.get("shape"), dict):
        return None
    shape = Shape.of(asked["shape"])
    # Of a join each side may lie elsewhere, and groups that nobody declared may be as many as rows.
    return None if shape.joined is not None or shape.unknown else shape


@contextmanager
def handed(exact: Sequence[Sequence[int]], snapshot: str) -> Iterator[Table]:
    """Exact numbers as a table for one worker; `snapshot` names the moment that they are of."""
    from hefu_connector.engines import cells  # which not every start of a connector should wait for

    with spool.place(None) as path:  # true numbers, and few: they reach no disk
        with open(spool.create(path), "wb") as file:
            cells.write(exact, file)
        _, size = spool.measure(path)
        yield Table(path, cells.FORM, snapshot, size)


def check(
    resource: Resource,
    found: Mapping[str, str],
    named: Mapping[str, str],
    holders: Mapping[str, Collection[str]],
    declared: Callable[[str], str],
) -> None:
    """Check that every column of a description can be read in place.

    Args:
        found: what each column of the table lies in, by the table's names.
        named: schema name to the table's, where they differ.
        holders: what each declared type may lie in.
        declared: the declared type that fits what a column lies in; empty where none does.

    Raises:
        Malformed: one is absent, or of a type that does not hold the declared one.
    """
    for column in resource.schema:
        held = found.get(named.get(column.name, column.name), "")
        if held not in holders[column.type]:
            kind = declared(held) or ("none that is known" if held else "absent")
            raise Malformed("source.in_place", column=column.name, type=column.type, found=kind)
