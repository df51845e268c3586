"""The consumer's side of a joint total, in a worker: what was added up is decrypted, and nothing else is told."""

from __future__ import annotations

import io
from pathlib import Path

from hefu.canonical import Object
from hefu_policies.reading import Place

from hefu_connector.computing.suites import TOTALS
from hefu_connector.engines.homomorphic import keys
from hefu_connector.engines.homomorphic.totalling import open_counts, read


def make(parameters: Object, path: Path, form: str, layout: Object, sink: io.RawIOBase) -> Object:
    """Decrypt a total.

    Args:
        parameters: ``counts``: how many slots each ciphertext fills; ``suite``: its name.
        path: the aggregator's blob (`computing.blobs`).
        layout: beside it, the consumer's own secret context.
        sink: takes nothing: there is no file to make.

    Returns:
        ``total``: the numbers as text, each between -t/2 and t/2.

    Raises:
        Malformed: the blob is not of the suite's form.
    """
    found = Place(parameters, "parameters").members(("counts", "suite"))
    found["suite"].choice(TOTALS.name)
    counts = open_counts({"counts": found["counts"].value})
    (beside,) = Place(layout.get("beside"), "beside").items(1)
    context = keys.read_secret(Path(beside.members(("form", "layout", "path"))["path"].text(4096)).read_bytes())
    vectors = read(context, path.read_bytes(), counts)
    return {"total": [str(int(each)) for vector in vectors for each in vector.decrypt()]}
