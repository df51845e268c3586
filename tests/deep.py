"""How many examples a test draws: a few in `make test`, many in `make test-deep`."""

import os

DEEP = os.environ.get("HEFU_DEEP") == "1"


def examples(few: int, many: int) -> int:
    """As many as this run has time for."""
    return many if DEEP else few
