"""Encrypted scores, a block of records at a time: one ciphertext a feature, each slot a record.

Encrypt at the consumer, score at the provider, decrypt at the consumer; each in a worker of its own. What the provider
sends is cut down to the slots that were asked and to the last level, and flooded: a fresh encryption of noise, far
above the scheme's own error and below the released grid, is added. So neither the bytes nor the low bits of an answer
tell more of the weights than the score on its grid does.

Source: Cheon, Kim, Kim, Song 2017 (CKKS); Li, Micciancio 2021 (why what is decrypted must never leave unrounded).
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import tenseal
from hefu.errors import Malformed

from hefu_connector.computing import frames
from hefu_connector.computing.model import LOGISTIC, RANKING, Feature, Model, curve
from hefu_connector.computing.suites import Suite
from hefu_connector.engines.homomorphic import flooding

_FLOOD = Decimal("0.24")  # of a step; with the scheme's own error never a quarter


def encrypt(context: Any, features: Sequence[Feature], columns: Sequence[Sequence[Decimal | float]]) -> list[bytes]:
    """Encrypt one block of records.

    Args:
        context: of this consumer, with its secret key.
        columns: for each feature its values, all of one length of at most the suite's slots.

    Returns:
        One ciphertext a feature, of values shifted and scaled to ±1.

    Raises:
        Malformed: a value is missing, not finite or outside its feature's range; columns of several lengths.
    """
    if len({len(each) for each in columns}) != 1 or len(columns) != len(features):
        raise Malformed("score.shape")
    return [
        bytes(tenseal.ckks_vector(context, _scaled(feature, values)).serialize())
        for feature, values in zip(features, columns, strict=True)
    ]


Hidden = tuple[Decimal, Decimal]  # a slope and a shift of all answers to one request


def score(context: Any, model: Model, block: Sequence[bytes], count: int, hides: Hidden | None = None) -> bytes:
    """The flooded scores of one block.

    Args:
        context: the consumer's, public.
        block: one ciphertext a feature.
        count: of its records.
        hides: as `hidden` drew it for the whole request; None draws it for this block.

    Raises:
        Malformed: a ciphertext is not of the suite's form, or there are not as many as features.
    """
    suite = model.suite
    if len(block) != len(model.features) or not 0 < count <= suite.slots:
        raise Malformed("score.shape")
    for each in block:
        frames.check_vector(each, count, suite.scale, suite.largest)
    weights, intercept = model.scaled
    slope, shift = hides or hidden(model)
    total: Any = None
    for data, weight in zip(block, weights, strict=True):
        part = _read(context, data, suite, count, first=True) * float(weight * slope)
        total = part if total is None else total + part
    total += [float(intercept * slope + shift)] * count
    if model.answer == LOGISTIC:
        total = total.polyval(curve())
    total *= [1.0] * count  # and nothing in the slots that were not asked
    return bytes((total + flooding.flood(context, suite, count, model.step * _FLOOD)).serialize())


def hidden(model: Model) -> Hidden:
    """For a ranking: a positive slope and a shift that nobody else learns, one for all blocks of a request; else those
    that change nothing."""
    if model.answer != RANKING:
        return Decimal(1), Decimal(0)
    first, second = (Decimal(int.from_bytes(os.urandom(4), "big")) / (1 << 32) for _ in range(2))
    return (1 + first) / 2, (2 * second - 1) * model.reach


def decrypt(context: Any, data: bytes, suite: Suite, count: int, step: Decimal) -> list[int]:
    """The scores of one block in steps of the grid: nothing finer leaves the worker.

    Raises:
        Malformed: the answer is not of the suite's form, or was not encrypted under this key.
    """
    frames.check_vector(data, count, suite.scale, suite.largest)
    values = _read(context, data, suite, count, first=False).decrypt()
    if len(values) != count or not all(math.isfinite(each) and abs(each) < float(1 << 20) for each in values):
        raise Malformed("ciphertext.malformed")
    return [round(Decimal(each) / step) for each in values]


def _scaled(feature: Feature, values: Sequence[Decimal | float]) -> list[float]:
    lower, upper = float(feature.lower), float(feature.upper)
    found = [float(each) for each in values]
    if not all(lower <= each <= upper for each in found):  # NaN is in no range
        raise Malformed("score.range", feature=feature.name)
    middle, half = float(feature.middle), float(feature.half)
    return [(each - middle) / half for each in found]


def _read(context: Any, data: bytes, suite: Suite, count: int, *, first: bool) -> Any:
    """A vector whose inside is what its frame says: at the first or the last level, of the suite's scale."""
    seal = context.seal_context().data
    level = seal.first_parms_id() if first else seal.last_parms_id()
    try:
        found = tenseal.ckks_vector_from(context, data)
        pieces = found.ciphertext()
    except (ValueError, RuntimeError, TypeError):
        raise Malformed("ciphertext.malformed") from None
    if len(pieces) != 1 or found.size() != count or not _is(pieces[0], level, float(1 << suite.scale)):
        raise Malformed("ciphertext.malformed")
    return found


def _is(piece: Any, level: Any, scale: float) -> bool:
    return bool(piece.size() == 2 and piece.parms_id() == level and piece.is_ntt_form() and piece.scale == scale)
