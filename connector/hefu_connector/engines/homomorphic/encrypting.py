"""Worker that encrypts a consumer's records, a block at a time: one ciphertext a feature, each slot a record."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hefu.canonical import Json, Object
from hefu.errors import Malformed
from hefu_policies.reading import Place

from hefu_connector.computing import blobs
from hefu_connector.computing.model import Feature
from hefu_connector.computing.suites import Suite, suite
from hefu_connector.engines.homomorphic.libraries import library

_WIDTH = 8  # bytes of a value


def make(parameters: Object, path: Path, form: str, layout: Object, sink: Any) -> Object:
    """Encrypt records.

    Args:
        parameters: ``suite``, by name; ``features``; how many ``records``.
        path: values as doubles of this machine, one record after another.
        form, layout: ``beside`` names the public context.
        sink: takes the blobs: the public context, then for each block of records one ciphertext a feature.

    Raises:
        Malformed: there are more or fewer values, or one is outside its range.
    """
    found = Place(parameters, "parameters").members(("suite", "features", "records"))
    chosen = suite(found["suite"].text(40))
    features = [Feature.of(each) for each in found["features"].items(1)]
    records = found["records"].integer(1)
    public = beside(layout).read_bytes()
    context = library(chosen).keys.read_secret(public)  # of our own making
    values = array("d", path.read_bytes())
    if len(values) != records * len(features):
        raise Malformed("score.shape")
    blobs.write(sink, 1 + len(chosen.blocks(records)) * len(features), _all(public, context, features, values, chosen))
    return {"records": records}


def beside(layout: Object, place: int = 0) -> Path:
    """The file of a table that was handed over beside the first."""
    given: Json = layout.get("beside")
    table = given[place] if isinstance(given, list) and place < len(given) else None
    if not isinstance(table, dict) or not isinstance(table.get("path"), str):
        raise Malformed("score.shape")
    return Path(str(table["path"]))


def _all(
    public: bytes, context: Any, features: Sequence[Feature], values: array[float], chosen: Suite
) -> Iterator[bytes]:  # fmt: skip
    yield public
    width = len(features)
    for start in range(0, len(values), chosen.slots * width):
        block = values[start : start + chosen.slots * width]
        yield from library(chosen).scores.encrypt(context, features, [block[each::width] for each in range(width)])
