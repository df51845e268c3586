"""Statements and descriptions as they are kept: read from their bytes once, for as long as they are asked for.

Reading is a function of the bytes alone, and what it gives is never changed; so the same bytes need not be read twice.
"""

from __future__ import annotations

from functools import lru_cache

from hefu.envelope import Statement
from hefu_policies.agreeing.contract import Description


@lru_cache(maxsize=1024)
def statement(envelope: bytes) -> Statement:
    """The statement of kept bytes; raises as `Statement.parse`."""
    return Statement.parse(envelope)


@lru_cache(maxsize=256)
def description(envelope: bytes) -> Description:
    """The description in a kept `product.published` statement; raises as `Description.of`."""
    return Description.of(statement(envelope).body)
