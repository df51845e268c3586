"""What the tests of the protocol floor share: the published vectors, and a small log with real keys."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.protocol.small_log import SmallLog

SHARED = Path(os.environ.get("HEFU_SHARED", Path(__file__).parents[2].parent / "shared"))


@pytest.fixture(scope="session")
def vectors() -> Callable[[str], Any]:
    """Read a JSON file of published test vectors; skips where they are not there."""

    def read(name: str) -> Any:
        path = SHARED / "vectors" / "tlog" / name
        if not path.exists():
            pytest.skip(f"the published vectors are not here (set HEFU_SHARED): {name}")
        text = path.read_text("utf-8")
        return json.loads(text) if path.suffix == ".json" else text

    return read


@pytest.fixture
def small() -> SmallLog:
    """A complete, valid little log: four participants, a contract, three ends of computations."""
    log = SmallLog()
    log.tell()
    return log
