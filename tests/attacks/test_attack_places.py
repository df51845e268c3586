"""A consumer says one record, and reads the model out of the places that it did not name: so all places are charged."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hefu_connector.computing import plans
from hefu_connector.computing.model import IDENTITY, Feature, Model
from hefu_connector.computing.score_plan import ScorePlan
from hefu_connector.computing.suites import LINEAR

pytest.importorskip("tenseal")
from hefu_connector.engines.homomorphic import scoring
from tenseal import sealapi

from tests.attacks.altered_consumer import AlteredConsumer

SLOTS, LARGE = LINEAR.slots, 2.0**57  # as large as the modulus has room for
DIGEST = "sha256:" + "0" * 64


def rest_of_the_mask(consumer: AlteredConsumer) -> np.ndarray:
    """What rounding leaves of a mask for one record in all other slots: everybody can compute it."""
    plain = sealapi.Plaintext()
    level = consumer._library.first_context_data().next_context_data().parms_id()
    consumer._encoder.encode([1 + 0j] + [0j] * (SLOTS - 1), level, float(1 << LINEAR.scale), plain)
    return np.array(consumer._encoder.decode_complex(plain))[1:]


def test_numbers_as_large_as_the_modulus_come_through_mask_and_flooding_and_are_paid_for(tmp_path: Path) -> None:
    drawn = random.Random(5)
    weights = [round(drawn.uniform(-0.5, 0.5), 6) for _ in range(20)]
    features = tuple(Feature(f"f{at}", "", Decimal(-1), Decimal(1)) for at in range(len(weights)))
    made = Model(
        features, tuple(Decimal(str(each)) for each in weights), Decimal(0), IDENTITY, Decimal("0.01"), "0" * 64
    )
    consumer = AlteredConsumer(LINEAR, tmp_path)
    signs = [[drawn.choice((-1.0, 1.0)) for _ in range(SLOTS - 1)] for _ in weights]
    block = [consumer.encrypt([0.0, *(LARGE * each for each in row)], 1) for row in signs]
    told = np.array(consumer.decrypt(scoring.score(consumer.theirs, made, block, 1)))[1:]
    equations = np.array(signs).T * (LARGE * rest_of_the_mask(consumer))[:, None]
    parts = np.vstack([equations.real, equations.imag]), np.concatenate([told.real, told.imag])
    found, *_ = np.linalg.lstsq(*parts, rcond=None)
    assert np.abs(found - weights).max() < 0.01, "the attack is real"
    plan = ScorePlan("prd-risk", made.digest(), LINEAR.name, DIGEST, 1, DIGEST, 1000)
    assert plans.releases(plan) == SLOTS > len(weights) + 1
