"""The words of an encrypted score: which model, under which parameters and key, on which uploaded ciphertexts.

The ciphertexts do not stand in the plan but their digest does, so that the signed request names every byte of them.
One record that may be answered is one exact release: so a contract's budget bounds how many answers there ever are.
Nobody sees how many slots of a ciphertext its consumer filled, so all slots of each block are charged.
"""

from __future__ import annotations

from dataclasses import dataclass

from hefu import canonical
from hefu.canonical import Json, Object
from hefu_policies.budget import NO_LOSS, PrivacyLoss
from hefu_policies.reading import Place, check_digest, wrong
from hefu_policies.words.terms import HE_INFERENCE

from hefu_connector.computing import suites
from hefu_connector.computing.computation import LARGEST_PLAN
from hefu_connector.computing.suites import CKKS, Suite

MOST_RECORDS = 65_536  # of one request; more are several requests
LARGEST_INPUTS = 256 << 20  # bytes of what is uploaded for one request
_VERSION = 1


@dataclass(frozen=True, slots=True)
class ScorePlan:
    """What is to be scored.

    Attributes:
        model: its digest.
        suite: name of the parameter set; the statement names its digest, too.
        key: digest of the public context that the records are encrypted under.
        records: how many.
        inputs: digest of what was uploaded: the public context, then one ciphertext a feature for each block of
            records (`computing.blobs`); and its size in bytes.
        resource: which of the product's resources; empty where it has one.
    """

    product: str
    model: str
    suite: str
    key: str
    records: int
    inputs: str
    size: int
    resource: str = ""

    def __post_init__(self) -> None:
        Place(self.product, "plan.product").text(64)
        Place(self.resource, "plan.resource").text(64, empty=True)
        for digest, where in ((self.model, "model"), (self.key, "key"), (self.inputs, "inputs.digest")):
            check_digest(digest, f"plan.{where}")
        if self.parameters.scheme != CKKS:
            wrong("plan.suite", "a parameter set for scores")
        Place(self.records, "plan.records").integer(1, MOST_RECORDS)
        Place(self.size, "plan.inputs.size").integer(1, LARGEST_INPUTS)

    @property
    def parameters(self) -> Suite:
        """The parameter set."""
        return suites.suite(self.suite)

    @property
    def loss(self) -> PrivacyLoss:
        """None: a score is counted as an exact release and not as an amount of ε."""
        return NO_LOSS

    def body(self) -> Object:
        """The plan as it stands in a `computation.requested` statement."""
        body: Object = {
            "version": _VERSION,
            "operation": HE_INFERENCE,
            "product": self.product,
            "model": self.model,
            "suite": self.suite,
            "parameters": self.parameters.digest(),
            "key": self.key,
            "records": self.records,
            "inputs": {"digest": self.inputs, "size": self.size},
        }
        return body | {"resource": self.resource} if self.resource else body

    @classmethod
    def of(cls, body: Json) -> ScorePlan:
        """Read what `body` wrote.

        Raises:
            Malformed: a member is missing, unknown or of a wrong form; or the parameters are others than the suite's.
        """
        if len(canonical.encode(body)) > LARGEST_PLAN:
            wrong("plan", f"at most {LARGEST_PLAN} bytes")
        needed = ("version", "operation", "product", "model", "suite", "parameters", "key", "records", "inputs")
        found = Place(body, "plan").members(needed, ("resource",))
        found["version"].integer(_VERSION, _VERSION)
        found["operation"].choice(HE_INFERENCE)
        inputs = found["inputs"].members(("digest", "size"))
        made = cls(
            product=found["product"].text(64),
            model=found["model"].digest(),
            suite=found["suite"].text(40),
            key=found["key"].digest(),
            records=found["records"].integer(),
            inputs=inputs["digest"].digest(),
            size=inputs["size"].integer(),
            resource=found["resource"].text(64) if "resource" in found else "",
        )
        found["parameters"].choice(made.parameters.digest())
        return made
