"""Our values as protobuf messages, and names out of requests."""

from __future__ import annotations

from hefu.envelope import Statement
from hefu.errors import Malformed
from hefu.identity import CERTIFIED
from hefu.times import write_time
from hefu.tlog.proof import LogProof
from hefu.v1 import catalog_pb2, common_pb2, contract_pb2, registry_pb2
from hefu_policies.states.lifecycle import ProductState

from hefu_broker.log.entries import AuditLog
from hefu_broker.membership.registry import Registry
from hefu_broker.records import Card, Listing, Talk

_PRODUCT_STATES = {
    ProductState.LISTED: catalog_pb2.Product.STATE_LISTED,
    ProductState.RETIRED: catalog_pb2.Product.STATE_RETIRED,
}


def named(name: str, *collections: str) -> str:
    """The id in a resource name such as ``products/{id}``.

    Raises:
        Malformed: of another collection, or no id.
    """
    collection, slash, id_ = name.partition("/")
    if collection not in collections or not slash or not 0 < len(id_) <= 128:
        raise Malformed(
            "request.malformed", why=f"the name must be {' or '.join(f'{each}/ID' for each in collections)}"
        )
    return id_


def statement(value: Statement) -> common_pb2.Statement:
    """The exact bytes of a statement."""
    return common_pb2.Statement(envelope=value.to_bytes())


def proof(value: LogProof) -> common_pb2.LogProof:
    """A proof with its checkpoint."""
    return common_pb2.LogProof(index=value.index, hashes=value.hashes, checkpoint=value.checkpoint)


def card(found: Card) -> catalog_pb2.Product:
    """A listed product as a search shows it; its proof comes with the single product."""
    return catalog_pb2.Product(
        name=f"products/{found.product}",
        state=catalog_pb2.Product.STATE_LISTED,
        provider=found.provider,
        description=common_pb2.Statement(envelope=found.envelope),
    )


def product(listing: Listing, log: AuditLog) -> catalog_pb2.Product:
    """A product, with its proof once there is one."""
    return catalog_pb2.Product(
        name=f"products/{listing.product}",
        state=_PRODUCT_STATES[listing.state],
        provider=listing.provider,
        description=statement(listing.statement),
        proof=_proof_of(listing.statement, log),
    )


def negotiation(talk: Talk, log: AuditLog) -> contract_pb2.Negotiation:
    """A negotiation, with the proof of its countersignature once there is one."""
    return contract_pb2.Negotiation(
        name=f"negotiations/{talk.id}",
        state=contract_pb2.Negotiation.State.Value(f"STATE_{talk.state.value}"),
        consumer=talk.consumer,
        provider=talk.provider,
        endorsers=talk.endorsers,
        messages=[statement(each) for each in talk.messages],
        agreement=statement(talk.agreement) if talk.agreement else None,
        countersignature=statement(talk.countersignature) if talk.countersignature else None,
        proof=_proof_of(talk.countersignature, log) if talk.index is not None else None,
        termination=statement(talk.termination) if talk.termination else None,
        revision=talk.revision,
        update_time=write_time(talk.updated),
        notices=talk.notices,
    )


def participant(registry: Registry, id_: str) -> registry_pb2.Participant:
    """A participant: its certification and the bindings that may be used. Raises NotFound."""
    certified = registry.directory.certificate(id_).expect(CERTIFIED)
    bindings = [statement(each) for each in registry.bindings(id_)]
    return registry_pb2.Participant(name=f"participants/{id_}", certification=statement(certified), bindings=bindings)


def _proof_of(value: Statement | None, log: AuditLog) -> common_pb2.LogProof | None:
    found = log.proof_of(value) if value else None
    return proof(found) if found else None
