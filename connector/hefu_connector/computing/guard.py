"""The release gate: the only way by which values leave. It judges values; it computes nothing from data.

A value passes if it has the shape that was announced before the data was touched, lies on a decimal grid, and belongs
to a cell whose noised count reaches the contract's minimum group. Delivered rows are judged by
`hefu_connector.computing.rows`, ciphertexts by `hefu_connector.computing.ciphertexts`. What leaves is cut into parts
and sealed for the one recipient, so that whoever carries or stores it learns its size only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Untrusted
from hefu.identity import write_bytes
from hefu.keeping import keys
from hefu.statements import receipt
from hefu.statements.delivery import CONTENT
from hefu_policies.reading import Place

from hefu_connector.computing import ciphertexts, finding, padding, rows
from hefu_connector.ports import Answer, Disclosing, Finding, Mechanism, Prepared, Values

PART_BYTES = 3 << 20
LARGEST_RELEASE = 64 << 20
_NUMBER = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?\Z")


@dataclass(frozen=True, slots=True)
class Passed:
    """Values that may leave.

    Attributes:
        suppressed: how many cells the minimum group took out.
    """

    values: Values
    suppressed: int


def check(values: Values, prepared: Prepared) -> Passed:
    """Let values through, or not.

    Args:
        values: what the worker returned.
        prepared: what was announced, priced and permitted.

    Raises:
        Untrusted: a value is not of the announced shape; nothing leaves and the charge stays.
    """
    if prepared.delivery is not None:
        rows.check(values, prepared, prepared.delivery)
        return Passed(replace(values, group_counts=None, units=None, told=None), 0)
    if prepared.encrypted is not None:
        ciphertexts.check(values, prepared.encrypted)
        return Passed(values, 0)
    _check_shape(values, prepared)
    words = [prepared.words.get(each, ()) for each in prepared.headings[prepared.keys :]]
    for row, widths in zip(values.rows, values.half_widths, strict=True):
        for cell, allowed in zip(
            (*row, *widths[prepared.keys :])[prepared.keys :], (*words, *[()] * len(words)), strict=True
        ):
            if cell is not None and (cell not in allowed if allowed else not _NUMBER.match(cell)):
                raise Untrusted("guard.shape", detail="a cell is not a decimal number, nor a label that was announced")
    if prepared.disclosing is not None:
        _check_rounding(values, prepared, prepared.disclosing)
    return _suppress(values, prepared)


def release(
    computation: str, passed: Passed, prepared: Prepared, said: Mapping[str, Json], draw: Callable[[int], bytes]
) -> tuple[bytes, dict[str, str], dict[str, tuple[Json, bytes]]]:
    """The bytes of a release before they are sealed, the commitments that its receipt makes, and what opens them.

    Args:
        said: what the receipt commits to besides: who asked, and the digest of the owner's record of the decisions.
        draw: random bytes.
    """
    told = rows.delivered(passed.values, prepared, prepared.delivery) if prepared.delivery is not None else None
    values = dict(said)
    if told is not None:
        values[CONTENT] = rows.digest(told)
    salts = {name: draw(receipt.SALT_SIZE) for name in values}
    openings: Object = {name: {"salt": write_bytes(salts[name]), "value": value} for name, value in values.items()}
    commitments = {name: receipt.commit(name, value, salts[name]) for name, value in values.items()}
    if told is not None:
        data = fitting(rows.payload(computation, told, openings))
    elif prepared.encrypted is not None:
        data = fitting(ciphertexts.payload(computation, passed.values, prepared.encrypted, openings))
    else:
        data = payload(computation, passed, prepared, openings)
    return data, commitments, {name: (value, salts[name]) for name, value in values.items()}


def count(passed: Passed, prepared: Prepared) -> int:
    """Rows of what is to leave; where groups are found as many as there may be, and of ciphertexts the records.

    How many groups were found is the recipient's alone to know: rules and receipts tell everybody.
    """
    announced = prepared.finding is not None or prepared.encrypted is not None
    return prepared.cells if announced else len(passed.values.rows)


def measure(passed: Passed, prepared: Prepared) -> int:
    """The bytes of what is to leave: of all its cells, as text; of ciphertexts, as many as they are told in."""
    if prepared.encrypted is not None:
        return ciphertexts.size(prepared.encrypted)
    rows_ = (*passed.values.rows, *passed.values.half_widths)
    return sum(len(cell.encode()) for row in rows_ for cell in row if cell is not None)


def payload(computation: str, passed: Passed, prepared: Prepared, openings: Object) -> bytes:
    """The bytes of a release before they are sealed: canonical JSON of a size that its shape alone decides.

    Args:
        openings: salt and value of each commitment in the receipt, for the recipient only.
    """
    mechanisms: list[Json] = [
        {
            "column": each.column,
            "mechanism": each.mechanism,
            "scale": each.scale,
            "half_width": each.half_width,
            "epsilon_nano": each.epsilon_nano,
            **({"rho_nano": each.rho_nano} if each.rho_nano else {}),
        }
        for each in prepared.mechanisms
    ]
    found = prepared.finding
    blank: Object = {
        "computation": computation,
        "headings": [*prepared.headings],
        "rows": [] if found else [[*row[: prepared.keys]] for row in passed.values.rows],
        "half_widths": [],
        "mechanisms": mechanisms,
        "openings": openings,
    }
    document: Object = {
        **blank,
        "rows": [[*row] for row in passed.values.rows],
        "half_widths": [[*row] for row in passed.values.half_widths],
    }
    rows_ = prepared.cells if found else len(passed.values.rows)
    more = rows_ * (padding.labels(prepared.words.values()) + (padding.names(found.widest) if found else 0))
    return fitting(padding.padded(document, rows_ * len(prepared.headings), blank, more))


def fitting(data: bytes) -> bytes:
    """The bytes of a release, if they are not too many.

    Raises:
        Untrusted: they are.
    """
    if len(data) > LARGEST_RELEASE:
        raise Untrusted("guard.shape", detail="the release is too large")
    return data


def seal(data: bytes, computation: str, agreement: str, recipient: bytes) -> tuple[bytes, ...]:
    """Cut a release into parts and seal each for the recipient.

    Args:
        recipient: the recipient's raw X25519 key, from its root-certified statement.
    """
    pieces = [data[start : start + PART_BYTES] for start in range(0, len(data), PART_BYTES)]
    return tuple(keys.seal(piece, recipient, info(computation, agreement, i)) for i, piece in enumerate(pieces))


def info(computation: str, agreement: str, index: int) -> bytes:
    """What a sealed part is bound to: its place in its computation under its agreement."""
    return canonical.encode({"computation": computation, "agreement": agreement, "part": index})


def read(data: bytes, computation: str) -> tuple[Answer, Object]:
    """A release as the recipient reads it after unsealing; strict JSON only.

    Returns:
        The answer, and the openings of the receipt's commitments.

    Raises:
        Malformed: not a release.
        Untrusted: it belongs to another computation.
    """
    names = ("computation", "headings", "rows", "half_widths", "mechanisms", "openings")
    found = Place(canonical.decode(data, LARGEST_RELEASE), "release").members(names, (padding.MEMBER,))
    padding.check(found.get(padding.MEMBER))
    if found["computation"].text() != computation:
        raise Untrusted("guard.other", computation=computation)
    mechanisms = tuple(_mechanism(each) for each in found["mechanisms"].items())
    headings = found["headings"].texts()
    told = tuple(_row(each, len(headings)) for each in found["rows"].items())
    widths = tuple(_row(each, len(headings)) for each in found["half_widths"].items())
    if len(told) != len(widths):
        raise Untrusted("guard.shape")
    return Answer(headings, told, widths, mechanisms), found["openings"].object()


def _check_shape(values: Values, prepared: Prepared) -> None:
    width, rows_ = len(prepared.headings), len(values.rows)
    counts, judged = values.group_counts, prepared.minimum_group is not None or prepared.finding is not None
    right = (
        (rows_ <= prepared.cells if prepared.finding else rows_ == prepared.cells)
        and values.blob is None
        and len(values.half_widths) == rows_
        and all(len(row) == width for row in (*values.rows, *values.half_widths))
        and (not judged or (counts is not None and len(counts) == rows_))
    )
    if not right:
        raise Untrusted("guard.shape", detail="rows or columns differ from what was announced")
    if prepared.finding is not None:
        _check_found(values, prepared.finding)


def _check_found(values: Values, found: Finding) -> None:
    """Names of groups that the data gave: enough units, each once and in order, short, printable, of their type."""
    keys_ = [row[: len(found.types)] for row in values.rows]
    texts = [tuple(each or "" for each in key) for key in keys_]
    right = (
        all(count >= found.least for count in values.group_counts or ())
        and texts == [*map(tuple, keys_)]
        and len(set(texts)) == len(texts)
        and all(
            (not kind or finding.fits(text, kind)) and len(canonical.encode(text)) <= widest
            for key in texts
            for text, kind, widest in zip(key, found.types, found.widest, strict=True)
        )
    )
    if not right:
        raise Untrusted("guard.shape", detail="a found group is not as was announced")


def _check_rounding(values: Values, prepared: Prepared, disclosing: Disclosing) -> None:
    for row in values.rows:
        for cell, step in zip(row[prepared.keys :], disclosing.steps, strict=True):
            if cell is not None and step is not None and Decimal(cell) % step:
                raise Untrusted("guard.shape", detail="a figure is not rounded as was announced")


def _suppress(values: Values, prepared: Prepared) -> Passed:
    least, counts = prepared.minimum_group, values.group_counts
    if least is None or counts is None:
        return Passed(replace(values, group_counts=None), 0)
    small = [count < least for count in counts]
    shown = _blank(values.rows, small, prepared.keys)
    widths = _blank(values.half_widths, small, prepared.keys)
    hidden = sum(small) * (len(prepared.headings) - prepared.keys)
    return Passed(replace(values, rows=shown, half_widths=widths, group_counts=None, told=None), hidden)


Rows = tuple[tuple[str | None, ...], ...]


def _blank(rows: Rows, small: Sequence[bool], keys_shown: int) -> Rows:
    return tuple(
        (*row[:keys_shown], *([None] * (len(row) - keys_shown))) if hide else row
        for row, hide in zip(rows, small, strict=True)
    )


def _mechanism(place: Place) -> Mechanism:
    found = place.members(("column", "mechanism", "scale", "half_width", "epsilon_nano"), ("rho_nano",))
    return Mechanism(
        found["column"].text(),
        found["mechanism"].text(),
        found["scale"].text(),
        found["half_width"].text(empty=True),
        found["epsilon_nano"].integer(),
        found["rho_nano"].integer(1) if "rho_nano" in found else 0,
    )


def _row(place: Place, width: int) -> tuple[str | None, ...]:
    cells = place.items()
    if len(cells) != width:
        raise Untrusted("guard.shape")
    return tuple(None if cell.value is None else cell.text(empty=True) for cell in cells)
