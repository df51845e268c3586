"""What every source that counts in place does: which questions it counts, how its numbers are handed to a worker, and
which columns it can read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from hefu.canonical import Object
from hefu.errors import Malformed, Unavailable
from hefu_policies.goods.resource import Resource

from hefu_connector.engines.shape import Shape
from hefu_connector.ports import Table
from hefu_connector.sources import spool


def counted(asked: Object | None) -> Shape | None:
    """The shape of what is asked, where whole numbers of it can be made in place and noise is added to them."""
    shape = _noised(asked)
    # A source alone counts no join, and groups that nobody declared may be as many as rows.
    return None if shape is None or shape.joined is not None or shape.unknown else shape


def counted_of_both(asked: Object | None) -> Shape:
    """The shape of what is asked of two tables that lie in one place. Raises Unavailable where it is none."""
    shape = _noised(asked)
    if shape is None or shape.joined is None or shape.unknown:
        raise Unavailable("source.moved", detail="no question of two tables")
    return shape


@contextmanager
def handed(exact: Sequence[Sequence[int]], snapshot: str, *beside: str) -> Iterator[Table]:
    """Exact numbers as a table for one worker.

    Args:
        snapshot: names the moment that they are of.
        beside: the same of each further table that they are made of.
    """
    from hefu_connector.engines import cells  # which not every start of a connector should wait for

    with spool.place(None) as path:  # true numbers, and few: they reach no disk
        with open(spool.create(path), "wb") as file:
            cells.write(exact, file)
        _, size = spool.measure(path)
        others = tuple(Table(path, cells.FORM, each, size) for each in beside)
        yield Table(path, cells.FORM, snapshot, size, beside=others)


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


def _noised(asked: Object | None) -> Shape | None:
    """What is asked, where it is a shape and noise is added to its numbers."""
    shape = asked.get("shape") if asked is not None and "noise" in asked else None
    return Shape.of(shape) if isinstance(shape, dict) else None
