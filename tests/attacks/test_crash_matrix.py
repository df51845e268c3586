"""Promise A-b, 1 and 3: kill -9 at every named point of a release, in the connector and in the broker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hefu.running import faults
from hefu_space.space import Space

from tests.journeys import crash
from tests.journeys.acts import Deal

# The journeys' space, started once more for this module alone.
from tests.journeys.conftest import (  # noqa: F401
    consumer,
    deal,
    product,
    provider,
    regulator,
    restored,
    samples,
    space,
)


def test_every_fault_point_is_in_the_matrix() -> None:
    assert {*crash.CONNECTOR, *crash.BROKER, *crash.ELSEWHERE, *crash.EXACT} == set(faults.NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("point", [*crash.CONNECTOR, *crash.BROKER])
def test_a_kill_there_leaves_it_charged_and_whole(
    space: Space,  # noqa: F811
    regulator: Path,  # noqa: F811
    deal: Deal,  # noqa: F811
    tmp_path: Path,
    point: str,
    restored: Callable[..., None],  # noqa: F811
) -> None:
    crash.kill_and_check(space, regulator, deal, tmp_path / "evidence.zip", point)
