"""A product from any CSV file, for `hefu demo --data`: what a provider has to decide is decided here, and said aloud.

In earnest nobody may decide like this: bounds and categories that are read from the data tell something about it. Here
the person who runs the demo is the provider and the consumer at once, and nothing leaves their machine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from pathlib import Path

from hefu.errors import Malformed

from hefu_space.data import MISSING, Extract, by_digest
from hefu_space.products import Column, Product, Terms, Texts

LEAST_ROWS = 30
MOST_CATEGORIES = 20
_FINEST = Decimal("0.000001")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
_INTEGER = re.compile(r"-?[0-9]{1,15}\Z")


@dataclass(frozen=True, slots=True)
class Inferred:
    """Products of a file, one for each provider.

    Attributes:
        left_out: columns of no use to private statistics: free text, keys, nothing but missing values.
        renamed: the name in the file by the name in the product, where they differ.
    """

    products: tuple[Product, ...]
    left_out: tuple[str, ...]
    renamed: dict[str, str]


def infer(path: Path, providers: Sequence[tuple[str, Texts]]) -> Inferred:
    """Split a file over providers, and describe each part alike.

    Raises:
        Malformed: no CSV file, too few rows, or no column that can be counted or summed.
        NotFound: there is no such file.
    """
    whole = Extract.read(path)
    if len(whole.rows) < LEAST_ROWS:
        raise Malformed("demo.data", path=str(path), why=f"it has fewer than {LEAST_ROWS} rows")
    names = _names(whole.headings)
    columns = {name: _column(name, whole.column(heading)) for heading, name in zip(whole.headings, names, strict=True)}
    kept = tuple(each for each in columns.values() if each is not None)
    if not kept:
        raise Malformed("demo.data", path=str(path), why="no column holds numbers or a few different words")
    renamed = Extract(names, whole.rows)
    parts = renamed.split(lambda row: by_digest(row, len(providers)), len(providers))
    title = path.stem.replace("_", " ")
    products = tuple(
        Product(
            provider=provider,
            source="table",
            extract=part,
            title=(f"{title}, part of {texts[0]}", f"{title}（{texts[1]}部分）"),
            description=(
                f"A part of {path.name}; each row is taken to be about somebody else.",
                f"{path.name} 的一部分。",
            ),
            keywords=("demo", "示例"),
            columns=kept,
            terms=_terms(kept, "manual" if index == len(parts) - 1 else "automatic"),
        )
        for index, (part, (provider, texts)) in enumerate(zip(parts, providers, strict=True))
    )
    return Inferred(
        products,
        tuple(name for name, column in columns.items() if column is None),
        {name: heading for heading, name in zip(whole.headings, names, strict=True) if name != heading},
    )


def _terms(columns: Sequence[Column], approval: str) -> Terms:
    # The last column stays outside the contract where there are several, so that a refusal can be shown.
    offered = columns[:-1] if len(columns) > 2 else columns
    return Terms(
        name="research",
        template="research-statistics",
        epsilon="1",
        budget="4",
        releases=20,
        minimum_group=5,
        columns=tuple(each.name for each in offered),
        purpose="dpv:ScientificResearch",
        approval=approval,
    )


def _names(headings: Sequence[str]) -> tuple[str, ...]:
    """Headings as plain words, each once."""
    found: list[str] = []
    for index, heading in enumerate(headings):
        word = re.sub(r"\W+", "_", heading.strip(), flags=re.ASCII).strip("_")[:50]
        word = word if _WORD.match(word) and word.lower() != "row" else f"column_{index + 1}"
        found.append(f"{word}_{index + 1}" if word.lower() in map(str.lower, found) else word)
    return tuple(found)


def _column(name: str, values: Sequence[str]) -> Column | None:
    present = [each for each in values if each != MISSING]
    nullable = len(present) < len(values)
    if not present:
        return None
    distinct = sorted(set(present))
    if all(map(_INTEGER.match, present)):
        if len(distinct) == len(values):
            return None  # every row its own number: a key, which no statistic is about
        categories = tuple(sorted({str(int(each)) for each in distinct}, key=int))
        few = categories if len(categories) <= MOST_CATEGORIES else ()
        return Column(name, "integer", "", _bounds([Decimal(each) for each in distinct], Decimal(1)), few, nullable)
    numbers = _decimals(distinct)
    if numbers:
        return Column(name, "decimal", "", _bounds(numbers, _step(numbers)), nullable=nullable)
    if len(distinct) <= MOST_CATEGORIES and all(len(each) <= 100 for each in distinct):
        return Column(name, "text", "", None, tuple(distinct), nullable)
    return None


def _decimals(texts: Sequence[str]) -> list[Decimal]:
    try:
        numbers = [Decimal(each) for each in texts]
    except InvalidOperation:
        return []
    return numbers if all(each.is_finite() for each in numbers) else []


def _step(numbers: Sequence[Decimal]) -> Decimal:
    """The finest digit that is used, but no finer than is useful."""
    places = min(int(each.as_tuple().exponent) for each in numbers)
    return max(_FINEST, min(Decimal(1), Decimal(1).scaleb(places)))


def _bounds(numbers: Sequence[Decimal], step: Decimal) -> tuple[str, str, str]:
    """Bounds rounded outward to the first digit of the range."""
    low, high = min(numbers), max(numbers)
    digit = max(step, Decimal(1).scaleb((high - low).adjusted())) if high > low else step
    lower = (low / digit).to_integral_value(ROUND_FLOOR) * digit
    upper = (high / digit).to_integral_value(ROUND_CEILING) * digit
    upper = upper if upper > lower else lower + digit
    return (_plain(lower), _plain(upper), _plain(step))


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
