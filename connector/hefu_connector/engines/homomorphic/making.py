"""Worker that makes a consumer's keys for one contract: the secret context for its own keeping, and the public one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hefu.canonical import Object
from hefu_policies.reading import Place

from hefu_connector.computing import blobs
from hefu_connector.computing.suites import CURVED, suite
from hefu_connector.engines.homomorphic.libraries import library


def make(parameters: Object, path: Path, form: str, layout: Object, sink: Any) -> Object:
    """Make a key.

    Args:
        parameters: ``suite``, by name.
        path, form, layout: an empty table.
        sink: takes two blobs: the context with the secret key, and the public one.

    Raises:
        Malformed: no such suite.
    """
    wanted = suite(Place(parameters, "parameters").members(("suite",))["suite"].text(40))
    keys = library(wanted).keys
    made = keys.make(wanted)
    blobs.write(sink, 2, [keys.secret(made), keys.public(made, multiplies=wanted is CURVED)])
    return {}
