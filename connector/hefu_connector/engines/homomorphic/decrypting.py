"""Worker that decrypts a provider's scores: whole steps of the grid leave it, and nothing finer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hefu.canonical import Object
from hefu.errors import Malformed
from hefu_policies.reading import Place

from hefu_connector.computing import blobs
from hefu_connector.computing.suites import suite
from hefu_connector.engines.homomorphic.encrypting import beside
from hefu_connector.engines.homomorphic.libraries import library


def make(parameters: Object, path: Path, form: str, layout: Object, sink: Any) -> Object:
    """Decrypt scores.

    Args:
        parameters: ``suite``, by name; how many ``records``; the ``step`` of the grid; ``lower`` and ``upper``, which
            no score is beyond but by one step.
        path: the blobs: one ciphertext a block of records.
        form, layout: ``beside`` names the context with the secret key.
        sink: takes nothing.

    Returns:
        ``steps``: of each record, or nothing where an answer is not one that this key and the model could give.
    """
    found = Place(parameters, "parameters").members(("suite", "records", "step", "lower", "upper"))
    chosen, records = suite(found["suite"].text(40)), found["records"].integer(1)
    step, lower, upper = (found[each].decimal() for each in ("step", "lower", "upper"))
    context = library(chosen).keys.read_secret(beside(layout).read_bytes())
    blocks, steps = chosen.blocks(records), list[int]()
    try:
        with path.open("rb") as file:
            for data, size in zip(blobs.read(file, [chosen.largest] * len(blocks)), blocks, strict=True):
                steps.extend(library(chosen).scores.decrypt(context, data, chosen, size, step))
    except Malformed:
        return {}
    if not lower - step <= min(steps) * step <= max(steps) * step <= upper + step:
        return {}
    return {"steps": [*steps]}
