"""Where the fact of each operand comes from: one table. What is not in it nobody here knows, so it is Unknown.

A fact is what this connector knows itself: from the signed request and its plan, the signed description, what the root
certified, the connection that was verified, the ledger, its own clock and settings. Nothing here reads data: facts of a
private query must not depend on it, so sizes of the data are those that its provider declared (promise Q-c).

Some facts change while a computation runs and are taken anew whenever it is looked at; all others stay what they were
at the admission. Facts of a ledger stay, too: they count this computation in its place among the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from hefu import canonical
from hefu.canonical import Json
from hefu_policies.budget import Charge
from hefu_policies.deciding.policy import Constraint, Policy, leaves
from hefu_policies.goods import seeing
from hefu_policies.goods.resource import Resource

from hefu_connector.computing.request import ComputationRequest
from hefu_connector.computing.suites import SECURITY
from hefu_connector.ports import Connection, Contract, Engine, Prepared, Trust

ROWS, BYTES = "rows", "bytes"  # names of the declared facts of a resource that say how large it is
CLASSIFICATION: Final = "hefu:dataClassification"  # the scheme of classifications that policies may ask about
CIPHER_TEXT: Final = "CipherText"  # `Engine.encryption` of what computes on ciphertexts
_WHOLE = re.compile(r"[0-9]{1,15}\Z")
# What policies always could ask, and every receipt tells; any other fact is taken only where a clause asks for it.
USUAL: Final = frozenset({
    "purpose", "operation", "column", "function", "epsilon", "delta", "epsilonBudget", "deltaBudget", "count",
    "rho", "rhoBudget", "dateTime", "outputKind", "maxContribution", "recipient", "processing", "share",
    "outputRows", "minGroup",
})  # fmt: skip
# What the ledger counts (`computing.usage`), and what the guard adds before a release (`computing.admission`).
_COUNTED: Final = frozenset({"frequency", "timeInterval", "meteredTime", "payAmount"})
_GUARDED: Final = frozenset({"outputRows", "outputBytes", "minGroup", "rounding"})


@dataclass(frozen=True, slots=True)
class Known:
    """All that facts are taken from.

    Attributes:
        charged: under the agreement so far, without this computation.
        connection: over which the request came.
        region: where this connector computes, as its settings say; empty where they do not.
        now: this connector's own clock.
    """

    request: ComputationRequest
    contract: Contract
    resource: Resource
    engine: Engine
    prepared: Prepared
    charged: Charge
    trust: Trust
    connection: Connection
    region: str
    now: datetime


@dataclass(frozen=True, slots=True)
class FactSource:
    """How the fact of one operand is known.

    Attributes:
        read: None where it is not known for this computation.
        anew: whether it may change while a computation runs.
    """

    read: Callable[[Known], object]
    anew: bool = False


def _processing(known: Known) -> object:
    return known.prepared.delivery.processing if known.prepared.delivery else None


def _share(known: Known) -> object:
    return known.prepared.delivery.share if known.prepared.delivery else None


def _rows(known: Known) -> object:
    return known.prepared.cells if known.prepared.delivery else None


def _filter(known: Known) -> object:
    query = known.request.plan.get("query")  # of a joint total
    asked = query if isinstance(query, dict) else known.request.plan
    return canonical.digest(canonical.encode(asked.get("filter")))


def _parties(known: Known) -> object:
    """Whose data is computed on: this provider's, and of a run over several connectors that of all."""
    return len(known.prepared.session.parties) if known.prepared.session else 1


def _colluding(known: Known) -> object:
    """How many parties of a run together learn nothing: two must be left to hide in a sum, and enough to draw noise."""
    session = known.prepared.session
    return len(session.parties) - max(session.honest, 2) if session else None


def _counterparties(known: Known) -> object:
    """All but this provider."""
    session, mine = known.prepared.session, known.contract.agreement.provider.participant
    others = {each.participant for each in session.others(mine)} if session else set()
    return frozenset({known.request.recipient, *others})


def _declared(name: str) -> Callable[[Known], object]:
    def read(known: Known) -> object:
        said = [each.value for each in known.resource.facts if each.name == name]
        return int(said[0]) if len(said) == 1 and _WHOLE.match(said[0]) else None

    return read


def _certified(name: str) -> Callable[[Known], object]:
    """What the root vouches for; several values contradict each other, and none says nothing."""

    def read(known: Known) -> object:
        recipient = known.request.recipient
        return seeing.certified(known.trust.roles(recipient), known.trust.attributes(recipient)).get(name)

    return read


def _model(known: Known) -> object:
    """That which the resource is, as its provider signed it; what is computed with is held to it (`check_model`)."""
    return None if known.resource.model is None else known.resource.model.digest


def _security(known: Known) -> object:
    """Of what is computed on: every suite there is has as much. Of plain text there is nothing to say."""
    return SECURITY if known.engine.encryption == CIPHER_TEXT else None


def _classes(known: Known) -> object:
    said = known.contract.description
    rows = [each["code"] for each in said.classifications if each.get("scheme") == CLASSIFICATION]
    named: list[Json] = rows or [
        word for word, is_so in (("Personal", said.personal_data), ("Important", said.important_data)) if is_so
    ]
    return frozenset(map(str, named)) or frozenset({"General"})


def _spent(known: Known) -> Charge:
    return known.charged + known.prepared.charge


def _epsilon(charge: Charge) -> object:
    """A loss counted in ρ has no ε that could be compared: it is not known, and what asks for it does not permit."""
    return None if charge.loss.rho_nano else charge.loss.epsilon


def _rho(charge: Charge) -> object:
    return charge.loss.rho if charge.loss.rho_nano else None


FACTS: Final[Mapping[str, FactSource]] = MappingProxyType({
    # the signed request and its plan
    "purpose": FactSource(lambda known: known.request.purpose),
    "recipient": FactSource(lambda known: known.request.recipient),
    "operation": FactSource(lambda known: known.engine.action),
    "column": FactSource(lambda known: known.prepared.columns),
    "function": FactSource(lambda known: known.prepared.functions),
    "joinKey": FactSource(lambda known: known.prepared.joins),
    "rowFilter": FactSource(_filter),
    "epsilon": FactSource(lambda known: _epsilon(known.prepared.charge)),
    "rho": FactSource(lambda known: _rho(known.prepared.charge)),
    "delta": FactSource(lambda known: known.prepared.charge.loss.delta),
    "outputKind": FactSource(lambda known: known.prepared.kind),
    "outputRows": FactSource(_rows),  # of a delivery at most so many; the guard counts again
    "processing": FactSource(_processing),
    "share": FactSource(_share),
    # the signed description
    "maxContribution": FactSource(lambda known: known.prepared.max_contribution),
    "privacyUnit": FactSource(lambda known: known.resource.privacy.unit),
    "neighbouring": FactSource(lambda known: known.resource.privacy.neighbouring),
    "dataClassification": FactSource(_classes),
    "inputRows": FactSource(_declared(ROWS)),
    "absoluteSize": FactSource(_declared(BYTES)),
    "model": FactSource(_model),
    # the ledger
    "epsilonBudget": FactSource(lambda known: _epsilon(_spent(known))),
    "rhoBudget": FactSource(lambda known: _rho(_spent(known))),
    "deltaBudget": FactSource(lambda known: _spent(known).loss.delta),
    "count": FactSource(lambda known: _spent(known).releases),
    # the connector's own clock and settings
    "dateTime": FactSource(lambda known: known.now, anew=True),
    "timeWindow": FactSource(lambda known: known.now, anew=True),
    "elapsedTime": FactSource(lambda known: known.now - known.contract.agreement.not_before, anew=True),
    "spatial": FactSource(lambda known: known.region or None),
    # the engine
    "environment": FactSource(lambda known: known.engine.environment),
    "encryptMode": FactSource(lambda known: known.engine.encryption),
    "securityBits": FactSource(_security),
    "deliveryChannel": FactSource(lambda known: known.prepared.channel),
    "protocol": FactSource(lambda known: known.prepared.protocol or None),
    "minParties": FactSource(_parties),
    "collusionThreshold": FactSource(_colluding),
    # the verified connection and who is at its other end
    "counterparty": FactSource(_counterparties),
    "connector": FactSource(lambda known: known.connection.connector or None),
    "systemDevice": FactSource(lambda known: known.connection.device or None),
    "networkAddress": FactSource(lambda known: known.connection.address or None),
    "role": FactSource(_certified("role")),
    "industry": FactSource(_certified("industry")),
    "jurisdiction": FactSource(_certified("jurisdiction"), anew=True),
    "securityLevel": FactSource(_certified("securityLevel")),
    "credential": FactSource(_certified("credential")),
})  # fmt: skip


def taken(known: Known, names: Collection[str], *, anew: bool = False) -> dict[str, object]:
    """The facts of these names, as far as they are known.

    Args:
        anew: only those that may change while a computation runs.
    """
    found = {name: each.read(known) for name, each in FACTS.items() if name in names and (each.anew or not anew)}
    return {name: value for name, value in found.items() if value is not None}


def asked_for(policies: Iterable[Policy]) -> frozenset[str]:
    """The facts that these policies decide on, and those that every receipt tells."""
    return USUAL | {each.operand.name for policy in policies for each in policy.constraints()}


def without_source(policy: Policy, resource: Resource, region: str = "") -> list[Constraint]:
    """The constraints of permissions and prohibitions whose fact nobody knows here: such a permission never holds, and
    such a prohibition always does.

    Args:
        resource: what the policy is about.
        region: of the connector that is to enforce the policy.
    """
    declared = {each.name for each in resource.facts}
    wanting = {
        "spatial": region,
        "inputRows": ROWS in declared,
        "absoluteSize": BYTES in declared,
        "model": resource.model is not None,
    }
    here = KNOWN - {name for name, known in wanting.items() if not known}
    return [each for rule in policy.rules for each in leaves(rule) if each.operand.name not in here]


def declared_rows(resource: Resource) -> int:
    """The rows of a resource as it is published; 0 where that is not said."""
    said = [each.value for each in resource.facts if each.name == ROWS and _WHOLE.match(each.value)]
    return int(said[0]) if said else 0


KNOWN: Final = frozenset(FACTS) | _COUNTED | _GUARDED  # operands that have a source of facts in a connector
