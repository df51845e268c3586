"""Encrypted scores: what may be asked of a described model; decided before model or ciphertexts are touched.

`Scoring.prepare` and `Scoring.read` run in the connector's own process and are pure; between them a worker scores
(`hefu_connector.engines.homomorphic.serving`). One record that may be answered is one exact release, and that is each
slot of each block: a mask over what was not asked can be undone by whoever makes the ciphertexts, who may put numbers
into them that are as large as the modulus is.
LIMIT: of a linear model, one block rebuilds all; what is promised is the number of blocks.
"""

from __future__ import annotations

from decimal import Decimal

from hefu.canonical import Object
from hefu.errors import Malformed, Refused, Untrusted
from hefu_policies.budget import NO_LOSS, Charge
from hefu_policies.goods.resource import Resource
from hefu_policies.goods.served import Served
from hefu_policies.words.terms import HE_INFERENCE

from hefu_connector.computing import blobs, ciphertexts
from hefu_connector.computing.score_plan import LARGEST_INPUTS, ScorePlan
from hefu_connector.computing.suites import LARGEST_PUBLIC
from hefu_connector.ports import Prepared, Values

KIND = "EncryptedResult"
MALFORMED = "ciphertext.malformed"  # what a worker says of any fault of what was uploaded


class Scoring:
    """A model's answers on encrypted records. An `Engine`."""

    name = "score"
    version = "1"
    action = HE_INFERENCE
    environment = "Ciphertext"
    encryption = "CipherText"

    def prepare(
        self,
        plan: Object,
        resource: Resource,
        minimum_group: int | None,
        rounding: Decimal | None = None,
        beside: Resource | None = None,
    ) -> Prepared:
        """Validate a plan anew against the provider's description of its model. Pure.

        Raises:
            Malformed: the plan is not of the typed form, or its inputs cannot be of so many records.
            Refused: it asks for another model or other parameters than are served.
        """
        asked = ScorePlan.of(plan)
        served = _served(asked, resource)
        features = [each.name for each in resource.schema]
        counts = asked.parameters.blocks(asked.records)
        many = len(features) * len(counts)
        if not blobs.size([0] * (1 + many)) < asked.size <= _most(asked, many):
            raise Malformed("score.shape")
        return Prepared(
            parameters={
                "model": served.digest, "suite": asked.suite, "key": asked.key, "records": asked.records,
                "answer": served.answer,
            },
            charge=Charge(NO_LOSS, asked.parameters.places(asked.records)),
            columns=frozenset(features),
            reads=frozenset(features),
            functions=frozenset(),
            kind=KIND,
            cells=asked.parameters.places(asked.records),
            headings=("score",),
            mechanisms=(),
            max_contribution=resource.privacy.max_contribution,
            protocol="CKKS",
            inputs=asked.inputs,
            encrypted=ciphertexts.announced(asked.parameters, counts),
        )  # fmt: skip

    def read(self, output: Object, prepared: Prepared) -> Values:
        """What a worker says beside the ciphertexts that it made; the guard judges those.

        Raises:
            Malformed: what was uploaded are no such ciphertexts or no such key.
            Untrusted: the output has another shape than was prepared.
        """
        if output == {"refused": MALFORMED}:
            raise Malformed(MALFORMED)
        if output != {"records": prepared.parameters["records"]}:
            raise Untrusted("worker.output")
        return Values((), (), None, prepared.cells)


def _served(asked: ScorePlan, resource: Resource) -> Served:
    served = resource.model
    if served is None or (asked.model, asked.suite) != (served.digest, served.suite):
        raise Refused("score.other", resource=resource.id)
    return served


def _most(asked: ScorePlan, many: int) -> int:
    """The bytes of a public context and so many ciphertexts, at most."""
    return min(LARGEST_INPUTS, blobs.size([LARGEST_PUBLIC, *[asked.parameters.largest] * many]))
