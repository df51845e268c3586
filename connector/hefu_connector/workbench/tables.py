"""Small tables for terminals and notebooks. Titles and labels are strangers' words: everything is escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import ROUND_CEILING, Decimal
from html import escape
from typing import TYPE_CHECKING

from hefu.terminal.commands import harmless, table

if TYPE_CHECKING:
    from hefu_policies.budget import PrivacyLoss

WITHHELD, EVERY = "(withheld)", "(all)"
_STYLE = "text-align:right;padding:2px 10px"


def lines(headings: Sequence[str], rows: Sequence[Sequence[str | None]]) -> Iterator[str]:
    """Lines of a plain table; None is a cell that is withheld."""
    return table([harmless(each) for each in headings], [[harmless(_text(cell)) for cell in row] for row in rows])


def html(headings: Sequence[str], rows: Sequence[Sequence[str | None]], notes: Sequence[str] = ()) -> str:
    """A table for a notebook, with notes below."""
    head = "".join(f"<th style='{_STYLE}'>{escape(each)}</th>" for each in headings)
    body = "".join(
        "<tr>" + "".join(f"<td style='{_STYLE}'>{escape(_text(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    below = "<br>".join(escape(each) for each in notes)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><small>{below}</small>"


def label(key: str | None) -> str:
    """A group key as people read it; of a row that is not grouped by it, a word."""
    return EVERY if key is None else key


def cell(value: str | None, half_width: str | None) -> str | None:
    """A noised cell as people read it; None where it is withheld."""
    if value is None:
        return None
    return value if half_width is None else f"{value} ± {interval(half_width)}"


def loss(amount: PrivacyLoss) -> str:
    """A privacy loss as people write it."""
    if amount.rho_nano:
        return f"ρ {number(amount.rho)}"
    return f"ε {number(amount.epsilon)}" + (f", δ {amount.delta:.3g}" if amount.delta_femto else "")


def number(value: Decimal) -> str:
    """A decimal without exponent and without zeros at the end."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def interval(half_width: str, digits: int = 3) -> str:
    """The half width of an interval, rounded up to a few digits."""
    value = Decimal(half_width)
    if not value:
        return "0"
    step = Decimal(1).scaleb(value.adjusted() + 1 - digits)
    return number(value.quantize(step, ROUND_CEILING))


def _text(cell: str | None) -> str:
    return WITHHELD if cell is None else cell
