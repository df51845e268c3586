"""How many cases of a public suite came out as published: tests note it here, the end of a run prints it."""

from __future__ import annotations

COUNTS: dict[str, tuple[int, int]] = {}


def count(suite: str, right: int, of: int) -> None:
    """Note a suite: cases that came out as published, and all."""
    COUNTS[suite] = (right, of)
