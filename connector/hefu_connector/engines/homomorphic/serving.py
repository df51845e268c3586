"""Worker side of encrypted scores at the provider: reads the model, the consumer's key and ciphertexts, and scores.

One block of records after another: what is in memory is one block's ciphertexts and no more.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

from hefu import canonical
from hefu.canonical import Object
from hefu.errors import Malformed
from hefu_policies.reading import Place

from hefu_connector.computing import blobs
from hefu_connector.computing.model import LOGISTIC, Model
from hefu_connector.computing.suites import LARGEST_PUBLIC, Suite
from hefu_connector.engines import Moved
from hefu_connector.engines.homomorphic.libraries import library


def make(parameters: Object, path: Path, form: str, layout: Object, sink: io.RawIOBase) -> Object:
    """Score what was uploaded.

    Args:
        parameters: as `Scoring.prepare` made them.
        path: the model's file.
        layout: beside the model, the uploaded inputs.
        sink: takes one ciphertext a block (`computing.blobs`).

    Returns:
        ``records``, how many; or ``refused``, one word for whatever is wrong with what was uploaded.

    Raises:
        Moved: the model's file is not the model that is described.
    """
    found = Place(parameters, "parameters").members(("model", "suite", "key", "records", "answer"))
    model = _model(path, found["model"].text())
    if (model.suite.name, model.answer) != (found["suite"].text(), found["answer"].text()):
        raise Moved
    records = found["records"].integer(1)
    inputs = Place(layout["beside"], "beside").items(1)[0].members(("form", "layout", "path"))
    try:
        with open(inputs["path"].text(), "rb") as file:
            _score(model, records, found["key"].text(), file, sink)
    except Malformed as fault:
        return {"refused": fault.code}
    return {"records": records}


def _score(model: Model, records: int, key: str, file: BinaryIO, sink: io.RawIOBase) -> None:
    suite, counts = model.suite, model.suite.blocks(records)
    told = blobs.read(file, [LARGEST_PUBLIC, *[suite.largest] * (len(model.features) * len(counts))])
    context = _context(next(told), key, suite, multiplies=model.answer == LOGISTIC)
    scores = library(suite).scores
    hidden = scores.hidden(model)  # one for all blocks, or a ranking would not be one
    sink.write(blobs.head(len(counts)))
    for count in counts:
        answer = scores.score(context, model, [next(told) for _ in model.features], count, hidden)
        sink.write(blobs.head(len(answer)))
        sink.write(answer)
    if next(told, None) is not None:  # asked once more, so that what follows is seen
        raise Malformed("ciphertext.malformed")


def _context(data: bytes, key: str, suite: Suite, *, multiplies: bool) -> object:
    if canonical.digest(data) != key:
        raise Malformed("ciphertext.malformed")
    return library(suite).keys.read_public(data, suite, multiplies=multiplies)


def _model(path: Path, digest: str) -> Model:
    try:
        found = Model.of(Place(canonical.decode(path.read_bytes()), "model"))
    except Malformed:
        raise Moved from None
    if found.digest() != digest:
        raise Moved
    return found
