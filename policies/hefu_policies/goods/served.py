"""What a resource says of the model that it is, where it is one: all that may be known of it but its weights.

The features, their units and ranges are the resource's schema. One record answered is one exact release of its budget,
and whole blocks are charged: how many of a ciphertext's places hold a record nobody but its maker can see.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from hefu.canonical import Json, Object

from hefu_policies.reading import Place, check_digest, write_decimal, wrong

IDENTITY: Final = "identity"
RANKING: Final = "ranking"
LOGISTIC: Final = "logistic"
DECISION: Final = "decision"
ANSWERS: Final = (IDENTITY, RANKING, LOGISTIC, DECISION)
PLACES: Final[Mapping[str, int]] = {"ckks-linear": 4096, "ckks-curved": 8192}  # of a block, by its suite
_SUITE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+){0,7}\Z")


@dataclass(frozen=True, slots=True)
class Served:
    """A model that answers on encrypted records.

    Attributes:
        digest: of the model, weights and a random nonce included; it tells nothing of them.
        answer: one of `ANSWERS`: the linear score, an order of records, its logistic value, or which side of 0 it is.
        step: the grid of what is released, in the answer's unit.
        suite: the parameters of encryption, by their name.
        tolerance: how far an answer may be from the plain model's.
    """

    digest: str
    answer: str
    step: Decimal
    suite: str
    tolerance: Decimal

    def __post_init__(self) -> None:
        check_digest(self.digest, "model.digest")
        Place(self.answer, "model.answer").choice(*ANSWERS)
        for name, value in (("step", self.step), ("tolerance", self.tolerance)):
            if not value.is_finite() or value <= 0:
                wrong(f"model.{name}", "a decimal above 0")
        if not _SUITE.match(self.suite) or len(self.suite) > 40:
            wrong("model.suite", "the name of a suite, such as ckks-linear")

    @property
    def places(self) -> int:
        """How many records are answered, and charged, at once; 1 of a suite that is not known here."""
        return PLACES.get(self.suite, 1)

    def body(self) -> Object:
        """``{digest, answer, step, suite, tolerance}``."""
        return {
            "digest": self.digest,
            "answer": self.answer,
            "step": write_decimal(self.step),
            "suite": self.suite,
            "tolerance": write_decimal(self.tolerance),
        }

    @classmethod
    def of(cls, body: Json, where: str = "model") -> Served:
        """Read what `body` wrote.

        Raises:
            Malformed: a member is missing, unknown or of a wrong form.
        """
        found = Place(body, where).members(("digest", "answer", "step", "suite", "tolerance"))
        return cls(
            digest=found["digest"].digest(),
            answer=found["answer"].choice(*ANSWERS),
            step=found["step"].decimal(),
            suite=found["suite"].text(40),
            tolerance=found["tolerance"].decimal(),
        )
