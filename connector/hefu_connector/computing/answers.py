"""What came back from a provider: nothing of it is believed before it is held against the request and the contract.

Pure functions. A receipt is checked before it is kept; a release is opened only if its sealed parts are those the
receipt names, and read as strict JSON under a size cap (promise E-a).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hefu import canonical
from hefu.canonical import Json, Object
from hefu.envelope import Statement
from hefu.errors import Malformed, Untrusted
from hefu.identity import read_bytes
from hefu.keeping import keys
from hefu.statements import receipt
from hefu.statements.delivery import CONTENT, Delivered
from hefu.statements.receipt import Failure, Noise, Receipt, Refusal, Spent

from hefu_connector.computing import blobs, ciphertexts, guard, rows
from hefu_connector.computing.computation import Plan
from hefu_connector.computing.delivery import DeliveryPlan
from hefu_connector.computing.exact import ExactPlan
from hefu_connector.computing.plans import read_plan, releases
from hefu_connector.computing.request import ComputationRequest
from hefu_connector.computing.rows import Rows
from hefu_connector.computing.score_plan import ScorePlan
from hefu_connector.ports import FINAL, Answer, ComputationState, Contract, Encrypted, Trust

ENCRYPTED = "EncryptedResult"  # the kind of output that is ciphertexts
_SEAL_OVERHEAD = 48  # bytes a part; `hefu.keeping.keys.seal`
_MOST_PARTS = guard.LARGEST_RELEASE // guard.PART_BYTES + 1
_ENDS = {
    receipt.SEALED: frozenset({ComputationState.RELEASED}),
    receipt.REFUSED: frozenset({ComputationState.REFUSED}),
    receipt.FAILED: frozenset({ComputationState.FAILED, ComputationState.CANCELLED}),
}

End = Receipt | Refusal | Failure
Unseal = Callable[[bytes, bytes], bytes]  # of a sealed part, and of what is said of it


def read_end(statement: Statement) -> End:
    """The body of a receipt, a refusal or a failure.

    Raises:
        Malformed: it is none of them, or not of its form.
    """
    if statement.type == receipt.SEALED:
        return Receipt.of(statement)
    if statement.type == receipt.REFUSED:
        return Refusal.of(statement)
    return Failure.of(statement)


def check_end(
    end: Statement,
    state: ComputationState,
    request: Statement,
    contract: Contract,
    trust: Trust,
    joined: Sequence[Contract] = (),
) -> End:
    """A provider's last word on a computation, if it is the provider's, about this request, and inside the contract.

    Args:
        joined: the contracts behind the first, where products are joined.
        end: `computation.sealed`, `computation.refused` or `computation.failed`.
        state: what the provider says the computation's state is.
        request: what this connector asked.
        contract: under which it asked.

    Raises:
        Malformed: it cannot be read.
        Untrusted: it is signed by somebody else, about something else, or charges more than was asked.
    """
    trust.verify(end, contract.agreement.provider.participant)
    body, asked = read_end(end), ComputationRequest.of(request)
    _hold(asked, "issuer", end.issuer == contract.agreement.provider.participant)
    _hold(asked, "state", state in FINAL and state in _ENDS[end.type])
    _hold(asked, "computation", body.computation == asked.computation)
    _hold(asked, "request", body.request == request.digest())
    _hold(asked, "consumer", body.consumer == request.issuer)
    if isinstance(body, Receipt):
        _check_receipt(body, asked, contract, joined)
    if isinstance(body, Receipt | Failure):
        plan = read_plan(asked.plan)
        loss = plan.loss
        limit = Spent(loss.epsilon_nano, loss.delta_femto, releases(plan), loss.rho_nano)
        _hold(asked, "charge", body.charge.within(limit))
    return body


def check_part(asked: str, made: Receipt, index: int, sealed: bytes) -> None:
    """Check that a sealed part is the one a receipt names.

    Raises:
        Untrusted: it is another.
    """
    right = 0 <= index < len(made.parts) and canonical.digest(sealed) == made.parts[index].digest
    if not right or len(sealed) != made.parts[index].size:
        raise Untrusted("release.part", computation=asked, part=index)


def open_release(made: Receipt, parts: Sequence[bytes], private: X25519PrivateKey, plan: Plan | ExactPlan) -> Answer:
    """The answer in the sealed parts of a release.

    Args:
        made: the receipt, checked before.
        plan: what was asked; the answer has its headings.

    Raises:
        Untrusted: a part was altered or is missing, or the answer is another than the receipt says.
        Malformed: not a release.
    """
    answer, openings = guard.read(_unsealed(made, parts, private), made.computation)
    _check_openings(made, openings)
    told = [
        Noise(each.column, each.mechanism, each.scale, each.epsilon_nano, each.rho_nano) for each in answer.mechanisms
    ]
    rows_, unknown = len(answer.rows), isinstance(plan, Plan) and plan.unknown
    right = rows_ <= made.output.cells if unknown else rows_ == made.output.cells
    if told != [*made.mechanisms] or not right or answer.headings != plan.headings():
        raise Untrusted("release.differs", computation=made.computation)
    return answer


def open_delivery(made: Receipt, parts: Sequence[bytes], private: X25519PrivateKey, plan: DeliveryPlan) -> Rows:
    """What was delivered, out of its sealed parts. For `hefu_connector.computing.custody` and nobody else.

    Raises:
        Untrusted: a part was altered or is missing, or it is not what the receipt commits to.
        Malformed: not a delivery.
    """
    found, openings = rows.read(_unsealed(made, parts, private), made.computation)
    values = _check_openings(made, openings)
    right = values.get(CONTENT) == rows.digest(found) and found.processing == plan.processing
    if not right or len(found.rows) != made.output.cells or not {*found.headings} <= {*plan.columns}:
        raise Untrusted("release.differs", computation=made.computation)
    return found


def open_blob(made: Receipt, parts: Sequence[bytes], unseal: Unseal, encrypted: Encrypted) -> bytes:
    """The ciphertexts in the sealed parts of a release (`computing.blobs`), not looked into: a worker reads them.

    Args:
        unseal: opens a sealed part that is bound to what is said of it.
        encrypted: the form that they must have.

    Raises:
        Untrusted: a part was altered or is missing, or it is not what the receipt commits to.
        Malformed: not such a release, or a ciphertext is not of its form.
    """
    told, openings = ciphertexts.read(_opened(made, parts, unseal), made.computation, encrypted)
    _check_openings(made, openings)
    return blobs.encode(told)


def _unsealed(made: Receipt, parts: Sequence[bytes], private: X25519PrivateKey) -> bytes:
    return _opened(made, parts, lambda sealed, info: keys.unseal(sealed, private, info))


def _opened(made: Receipt, parts: Sequence[bytes], unseal: Unseal) -> bytes:
    under, pieces = made.agreements[0].agreement, []
    if len(parts) != len(made.parts):
        raise Untrusted("release.part", computation=made.computation, part=len(parts))
    for index, sealed in enumerate(parts):
        check_part(made.computation, made, index, sealed)
        pieces.append(unseal(sealed, guard.info(made.computation, under, index)))
    return b"".join(pieces)


def _check_openings(made: Receipt, openings: Object) -> dict[str, Json]:
    """The values that the receipt commits to, each checked."""
    values: dict[str, Json] = {}
    for name, commitment in made.commitments.items():
        salt, values[name] = _opening(openings.get(name))
        receipt.check_opening(commitment, name, values[name], salt)
    return values


def _check_receipt(made: Receipt, asked: ComputationRequest, contract: Contract, joined: Sequence[Contract]) -> None:
    under = [(each.agreement, each.digest) for each in made.agreements]
    _hold(asked, "agreements", under == [(each.agreement.id, each.statement.digest()) for each in (contract, *joined)])
    _hold(asked, "joined", len(made.joined) == len(joined))
    for agreement in (each.agreement for each in (contract, *joined)):
        read = made.under(agreement.id)
        _hold(
            asked, "product", (read.product, read.description) == (agreement.product, agreement.description)
        )  # fmt: skip
        _hold(asked, "resource", read.resource in agreement.resources)
        if agreement.snapshot_rule != "latest":
            _hold(asked, "snapshot", agreement.snapshot_rule == f"pinned:{read.snapshot}")
    agreement = contract.agreement
    plan, told = read_plan(asked.plan), Delivered.of(made)
    _hold(asked, "kind", isinstance(plan, DeliveryPlan) is (told is not None))
    if isinstance(plan, DeliveryPlan) and told is not None:
        _hold(asked, "processing", (told.processing, made.output.kind) == (plan.processing, plan.form))
        _hold(asked, "rows", told.rows == made.output.cells <= plan.rows)
        _hold(asked, "deadline", told.delete_by <= agreement.not_after)
    if isinstance(plan, ScorePlan):
        _hold(asked, "rows", (made.output.kind, made.output.cells) == (ENCRYPTED, releases(plan)))
        _hold(asked, "model", made.facts.get("model", plan.model) == plan.model)
    sizes = [each.size for each in made.parts]
    _hold(asked, "parts", 0 < len(sizes) <= _MOST_PARTS)
    _hold(asked, "parts", all(0 < size <= guard.PART_BYTES + _SEAL_OVERHEAD for size in sizes))


def _opening(value: Json) -> tuple[bytes, Json]:
    if not isinstance(value, dict) or set(value) != {"salt", "value"} or not isinstance(value["salt"], str):
        raise Malformed("receipt.malformed", why="a commitment lacks its opening")
    return read_bytes(value["salt"], receipt.SALT_SIZE), value["value"]


def _hold(asked: ComputationRequest, where: str, holds: bool) -> None:
    if not holds:
        raise Untrusted("receipt.differs", computation=asked.computation, where=where)
