"""Judging new entries while they are verified: each release, failure and use, with the older entries it refers to.

The checks are those of offline verification (`hefu.checking.checks`, and those of the floors above); here they are
given a page of entries and what the copy holds of their agreements, countersignatures, descriptions, requests and
deliveries.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from hefu.checking import checks, verify
from hefu.checking.checks import ASKED, Ended, Facts
from hefu.evidence.record import FINALIZED, Logged, Record
from hefu.statements.delivery import USED
from hefu.statements.receipt import FAILED, SEALED

from hefu_audit.columns import Named
from hefu_audit.index import Index

_ENTRY = re.compile(r"entry (\d+): (.*)", re.DOTALL)
_MOST = 500  # values in one query
_NEAR = 2  # places whose neighbours meet are read together
_MOST_MADE = 2048  # contracts whose policies are kept compiled
_SKEW = 60  # seconds
_AGREED = "SELECT DISTINCT g.idx FROM charge c JOIN agreement g ON g.id = c.agreement WHERE c.idx IN ({})"
_PLACES = (
    "SELECT j.seq, j.idx, j.previous, j.envelope_digest, e.time FROM journal j JOIN entry e ON e.idx = j.idx"
    " WHERE j.issuer = ? AND j.connector = ? AND j.seq BETWEEN ? AND ? ORDER BY j.seq, j.idx"
)


class Kept:
    """What is used from page to page: the checks that are installed, entries that were referred to, and their policies.

    Most entries refer to the same agreements.
    """

    def __init__(self, most: int = 8192) -> None:
        self.further = verify.further()
        self.made: dict[object, object] = {}
        self._most = most
        self._found: dict[int, Logged] = {}

    def of(self, index: Index, numbers: Iterable[int], page: Mapping[int, Logged]) -> Iterator[Logged]:
        """The statements of entries: from the page, from before, or from the copy."""
        for number in numbers:
            found = page.get(number) or self._found.pop(number, None) or index.logged(number)
            self._found[number] = found
            yield found
        if len(self.made) > _MOST_MADE:
            self.made.clear()
        while len(self._found) > self._most:
            del self._found[next(iter(self._found))]


def judge(
    index: Index, record: Record, page: Sequence[Logged], ends: Mapping[int, Ended], kept: Kept
) -> Iterator[Named]:
    """The faults of a page whose rows are in the copy already.

    Args:
        ends: of computations, those of the page that could be read.
        record: the keys so far; what it has logged is not touched.
    """
    judged = [each for each in page if each.type in (SEALED, FAILED, USED)]
    if not judged:
        return
    own = {each.index for each in judged}
    context = sorted({*_context(index, judged)} - own)
    referred = kept.of(index, context, {each.index: each for each in page})
    logged = sorted([*judged, *referred], key=lambda each: each.index)
    facts = Facts.of(Record(record.space, record.root, hidden=record.hidden, logged=logged), ends, kept.made)
    found = [("receipts", checks.check_receipts(facts))]
    found += [(each.name, each.check(facts)) for each in kept.further]
    for rule, findings in found:
        for text in findings.faults:
            match = _ENTRY.fullmatch(text)
            if match and int(match[1]) in own:
                yield "fault", (int(match[1]), rule, match[2])


def judge_links(index: Index, links: Sequence[tuple[object, ...]]) -> Iterator[Named]:
    """The faults of new places in journals: against the one before and the one behind, whichever came first.

    Args:
        links: rows of ``journal`` that are in the copy already.
    """
    journals: dict[tuple[str, str], dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for issuer, connector, seq, number, *_ in links:
        journals[str(issuer), str(connector)][int(str(seq))].append(int(str(number)))
    for (issuer, connector), fresh in journals.items():
        placed = _placed(index, issuer, connector, sorted(fresh))
        for seq in sorted({*fresh, *(each + 1 for each in fresh)}):
            yield from _broken(placed[seq - 1], placed[seq])
        for seq, numbers in fresh.items():
            for number in numbers if len(placed[seq]) > 1 else ():
                yield "fault", (number, "journal", f"number {seq} of {issuer}/{connector} was used before")


def _placed(index: Index, issuer: str, connector: str, fresh: Sequence[int]) -> dict[int, list[tuple[Any, ...]]]:
    """What stands at these places of a journal, in order, and at those beside them: one query for each run of them."""
    found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    gaps = [at for at in range(1, len(fresh)) if fresh[at] - fresh[at - 1] > _NEAR]
    for first, end in pairwise([0, *gaps, len(fresh)]):
        for seq, *row in index.rows(_PLACES, issuer, connector, fresh[first] - 1, fresh[end - 1] + 1):
            found[seq].append(tuple(row))
    return found


def _broken(before: list[tuple[Any, ...]], after: list[tuple[Any, ...]]) -> Iterator[Named]:
    for _, _, digest, then in before[:1]:
        for number, previous, _, now in after:
            if previous != digest:
                yield "fault", (number, "journal", "does not follow the one before it in its connector's journal")
            elif now < then - _SKEW:
                yield "fault", (number, "journal", "is dated before the one that it follows in its journal")


def _context(index: Index, judged: Sequence[Logged]) -> Iterator[int]:
    first, last = judged[0].index, judged[-1].index
    agreements = index.rows(
        "SELECT DISTINCT g.idx, g.digest, g.description FROM charge c JOIN agreement g ON g.id = c.agreement"
        " WHERE c.idx BETWEEN ? AND ?",
        first,
        last,
    )
    yield from (each[0] for each in agreements)
    ids = sorted({str(each.statement.body.get("computation")) for each in judged if each.type != USED})
    asked = "SELECT a.idx FROM about a JOIN entry e ON e.idx = a.idx WHERE a.kind = 'computation' AND e.type = ?"
    for some in _chunks(ids):
        yield from _in(index, asked + " AND a.name IN ({})", some, ASKED)
    countersigned = "SELECT idx FROM turn WHERE type = ? AND agreement IN ({})"
    for some in _chunks(sorted({each[1] for each in agreements})):
        yield from _in(index, countersigned, some, FINALIZED)
    for some in _chunks(sorted({each[2] for each in agreements})):
        yield from _in(index, "SELECT idx FROM description WHERE digest IN ({})", some)
    receipts = sorted({str(each.statement.body.get("receipt")) for each in judged if each.type == USED})
    for some in _chunks(receipts):
        of = _in(index, "SELECT idx FROM ended WHERE deadline IS NOT NULL AND digest IN ({})", some)
        yield from of
        yield from _in(index, _AGREED, of)


def _in(index: Index, sql: str, some: Sequence[str] | Sequence[int], *before: object) -> list[int]:
    return [each[0] for each in index.rows(sql.format(",".join("?" * len(some))), *before, *some)]


def _chunks(names: Sequence[str]) -> Iterable[Sequence[str]]:
    return (names[start : start + _MOST] for start in range(0, len(names), _MOST))
