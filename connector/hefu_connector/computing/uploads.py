"""Taking what a consumer uploads for a request to come: only under a contract in force that computes on uploads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hefu.errors import HefuError, NotFound, Refused
from hefu.membership.mandate import subjects
from hefu.times import Clock
from hefu_policies.reading import Place, check_digest
from hefu_policies.words.terms import HE_INFERENCE, MPC_EVALUATE

from hefu_connector.computing import admission
from hefu_connector.computing.score_plan import LARGEST_INPUTS
from hefu_connector.inputs import Inputs
from hefu_connector.ports import Contracts, Trust

TAKING = frozenset({HE_INFERENCE, MPC_EVALUATE})  # operations that compute on what is uploaded


@dataclass(frozen=True, slots=True)
class Upload:
    """What a consumer announces: for which request, under which agreement, and which bytes."""

    computation: str
    agreement: str
    digest: str
    size: int

    def __post_init__(self) -> None:
        Place(self.agreement, "upload.agreement").text(64)
        check_digest(self.digest, "upload.digest")
        Place(self.size, "upload.size").integer(1, LARGEST_INPUTS)


class Uploads:
    """Takes uploads. Safe to use from many threads."""

    def __init__(self, participant: str, trust: Trust, contracts: Contracts, inputs: Inputs, clock: Clock) -> None:
        self._participant = participant
        self._trust = trust
        self._contracts = contracts
        self._inputs = inputs
        self._clock = clock

    def take(self, upload: Upload, chunks: Iterable[bytes], caller: str, *also: str) -> None:
        """Keep the bytes for a caller's request; the same again changes nothing. Nothing is charged.

        Args:
            also: what else must be in good standing, such as the certificate's fingerprint.

        Raises:
            NotFound, Refused: the caller has no such agreement in force, or not for such computations.
            Unauthenticated: the caller may not act, or no longer.
            Malformed: the bytes are not as was announced.
            Unavailable: there is no room.
        """
        self._check(upload, caller, also)
        self._inputs.keep(caller, upload.computation, upload.digest, upload.size, chunks)
        try:
            self._trust.check(caller, *also)  # once more: it may have been lost while the bytes came
        except HefuError:
            self._inputs.drop(caller, upload.computation)
            raise

    def _check(self, upload: Upload, caller: str, also: tuple[str, ...]) -> None:
        self._trust.check(caller, *also)
        contract = self._contracts.load(upload.agreement)
        agreement = contract.agreement
        admission.check_in_force(contract, caller, self._clock.now())
        if agreement.provider.participant != self._participant:
            raise NotFound("resource.not_found", what="agreement", name=agreement.id)
        self._trust.check_orders(*subjects(agreement.id, (agreement.product,), self._participant))
        if not TAKING & {*agreement.computations}:
            raise Refused("contract.nothing", asked=HE_INFERENCE, permitted=", ".join(agreement.computations))
