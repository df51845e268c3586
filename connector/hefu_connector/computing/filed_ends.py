"""What an end files for the space's regulators: its openings, sealed under the filing key of its contract."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from hefu import canonical
from hefu.canonical import Json
from hefu.errors import HefuError, NotFound
from hefu.statements import openings, receipt
from hefu.statements.openings import Openings

from hefu_connector.computing.world import World
from hefu_connector.ports import Run

log = logging.getLogger("hefu.enforcement")

_Unreleased = TypeVar("_Unreleased", receipt.Refusal, receipt.Failure)


def openings_of(world: World, run: Run, values: Mapping[str, tuple[Json, bytes]]) -> bytes:
    """The sealed openings of an end, for the regulators of its first contract; empty where that files nothing.

    Raises:
        NotFound, Untrusted: the contract is not there, or its filing key cannot be had.
    """
    held = world.contracts.load(run.agreements[0])
    key = world.filing(held.agreement) if held.agreement.consumer.participant == run.consumer else None
    if key is None:
        return b""
    return openings.seal(key, held.agreement.id, run.id, Openings(run.envelope, values))


def unreleased(world: World, run: Run, made: _Unreleased) -> tuple[_Unreleased, bytes]:
    """An end without a release, and its sealed openings; an end is journalled even where nothing can be filed."""
    try:
        sealed = openings_of(world, run, {}) if run.agreements else b""
    except HefuError as fault:
        if not isinstance(fault, NotFound):
            log.warning("nothing is filed for computation %s: %s", run.id, fault.code)
        return made, b""
    except Exception:
        # An edge, as in `_admit`: what could not be decided for a defect may meet the same one again here.
        log.exception("nothing is filed for computation %s", run.id)
        return made, b""
    return (replace(made, filed=canonical.digest(sealed)) if sealed else made), sealed
