"""The view: one agreement with its state and signatures, as the standard's dictionary of a digital contract has it.

Source: TC609-6-2025-14 (data dictionary, strategies, states), TC609-6-2025-15 (strategy interfaces).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from hefu.canonical import Json, Object
from hefu.errors import Malformed
from hefu.times import read_time, write_time

from hefu_policies.agreeing.agreement import Agreement, Party, Strategy
from hefu_policies.reading import Place, wrong
from hefu_policies.tc609 import identifiers
from hefu_policies.tc609.spelling import differences, place_of
from hefu_policies.tc609.strategies import RULES, read_rules, write_rules
from hefu_policies.tc609.words import BY_PLATFORM, EXPANSION, PARTIES, PEER_TO_PEER, STATUS_CODES

_ROLES = {code: role for role, code in PARTIES.items()}
_FIELDS = (
    "contractId", "contractName", "contractAbstract", "contractStatus", "createTime", "activationTime", "endTime",
    "indate", "signMode", "signatoryEntities", "strategies", EXPANSION,
)  # fmt: skip
_SIGNATORY = ("signatoryEntityId", "signatoryEntityName", "signatorytype")
# What the fields of the standard say already.
_TOLD = frozenset({"parties", "strategies", "not_before", "not_after"})
_PARTY = frozenset({"participant", "role", "connector"})
_LONGEST_NAME, _LONGEST_ABSTRACT = 128, 1024


@dataclass(frozen=True, slots=True)
class Signed:
    """A party's signature of the contract."""

    participant: str
    value: str
    time: datetime


@dataclass(frozen=True, slots=True)
class DigitalContract:
    """An agreement, and what the standard tells of it besides.

    Attributes:
        status: a code of the standard, such as ``05``; see `hefu_policies.tc609.words.STATES`.
        subjects: of participants, their 18 characters; one who is missing gets a stand-in that no registry gave.
        region: four digits: where the contract was drawn up, or "00" and its industry.
    """

    agreement: Agreement
    name: str
    abstract: str
    status: str
    signatures: tuple[Signed, ...] = ()
    subjects: Mapping[str, str] = field(default_factory=dict)
    region: str = "0000"
    by_platform: bool = True

    def __post_init__(self) -> None:
        if self.status not in STATUS_CODES:
            wrong("contractStatus", "one of " + ", ".join(sorted(STATUS_CODES)))
        for name, text, longest in (("contractName", self.name, _LONGEST_NAME),
                                    ("contractAbstract", self.abstract, _LONGEST_ABSTRACT)):  # fmt: skip
            if not 0 < len(text) <= longest:
                wrong(name, f"1 to {longest} characters")

    def subject(self, participant: str) -> str:
        """The 18 characters of a participant."""
        return self.subjects.get(participant) or identifiers.stand_in(participant)


def write(contract: DigitalContract) -> Object:
    """The view of a contract: JSON in the standard's fields."""
    agreement = contract.agreement
    provider = contract.subject(agreement.provider.participant)
    begin, end = identifiers.write_time(agreement.not_before), identifiers.write_time(agreement.not_after)
    strategies = [each for strategy in agreement.strategies for each in _strategies(contract, strategy)]
    return {
        "contractId": identifiers.contract_id(agreement.id, provider, contract.region, agreement.not_before),
        "contractName": contract.name,
        "contractAbstract": contract.abstract,
        "contractStatus": contract.status,
        "createTime": begin,
        "activationTime": begin,
        "endTime": end,
        "indate": f"{begin}-{end}",
        "signMode": BY_PLATFORM if contract.by_platform else PEER_TO_PEER,
        "signatoryEntities": [_signatory(contract, each) for each in agreement.parties],
        "strategies": strategies,
        EXPANSION: _expansion(contract),
    }


def read(view: Json, where: str = "contract") -> DigitalContract:
    """The contract that a view shows.

    Raises:
        Malformed: a field is missing, unknown or of a wrong form, or fields contradict each other.
    """
    found = Place(view, where).members(_FIELDS)
    more = found[EXPANSION].members(("hefu", "parties", "subjects", "region", "groups"))
    besides = more["parties"].object()
    body = more["hefu"].object() | {
        "parties": [_party(each, besides) for each in found["signatoryEntities"].items(2)],
        "strategies": _grouped(found["strategies"], more["groups"]),
        "not_before": identifiers.read_time(found["activationTime"].text(), found["activationTime"].where),
        "not_after": identifiers.read_time(found["endTime"].text(), found["endTime"].where),
    }
    contract = DigitalContract(
        agreement=Agreement.of(body, f"{where}.{EXPANSION}.hefu"),
        name=found["contractName"].text(_LONGEST_NAME),
        abstract=found["contractAbstract"].text(_LONGEST_ABSTRACT),
        status=found["contractStatus"].text(),
        signatures=tuple(_signed(each) for each in found["signatoryEntities"].items() if "signature" in _object(each)),
        subjects={name: str(each) for name, each in more["subjects"].object().items()},
        region=more["region"].text(),
        by_platform=found["signMode"].choice(PEER_TO_PEER, BY_PLATFORM) == BY_PLATFORM,
    )
    # The same thing stands in several fields: whoever changed one of them must not be believed.
    for change in differences(write(contract), view):
        raise Malformed("tc609.contradiction", where=place_of(change) or where)
    return contract


def _signatory(contract: DigitalContract, party: Party) -> Object:
    body: Object = {
        "signatoryEntityId": contract.subject(party.participant),
        "signatoryEntityName": party.participant,
        "signatorytype": PARTIES[party.role],
        "connectorId": party.connector,
    }
    for each in contract.signatures:
        if each.participant == party.participant:
            body |= {"signature": each.value, "signTime": write_time(each.time)}
    return body


def _party(place: Place, besides: Object) -> Object:
    found = place.members((*_SIGNATORY, "connectorId"), ("signature", "signTime"))
    role = found["signatorytype"].choice(*_ROLES)
    name = found["signatoryEntityName"].text()
    more = besides.get(name, {})
    named = Party(name, _ROLES[role], found["connectorId"].text()).body()
    return {**(more if isinstance(more, dict) else {}), **named}


def _signed(place: Place) -> Signed:
    found = place.members((*_SIGNATORY, "connectorId", "signature", "signTime"))
    return Signed(
        found["signatoryEntityName"].text(), found["signature"].text(10_000), read_time(found["signTime"].text())
    )


def _object(place: Place) -> Object:
    return place.value if isinstance(place.value, dict) else {}


def _strategies(contract: DigitalContract, strategy: Strategy) -> list[Json]:
    agreement = contract.agreement
    enforcer = next(each.participant for each in agreement.parties if each.connector == strategy.enforced_by)
    brings = {each.provider: each.product for each in agreement.contributions}
    around: Object = {
        "subjectInfo": {"dataProductId": brings.get(enforcer, agreement.product), "dataProductName": contract.name},
        "executionNodeInfo": {
            "providerNodeId": strategy.enforced_by,
            "providerNodeName": enforcer,
            "consumerNodeId": agreement.consumer.connector,
            "consumerNodeName": agreement.consumer.participant,
        },
    }
    return write_rules(strategy.policy, f"{agreement.id} {strategy.id}", around)


def _expansion(contract: DigitalContract) -> Object:
    """What the standard has no field for."""
    agreement = contract.agreement
    return {
        "hefu": {name: value for name, value in agreement.body().items() if name not in _TOLD},
        "parties": {each.participant: _besides(each) for each in agreement.parties if _besides(each)},
        "subjects": dict(contract.subjects.items()),
        "region": contract.region,
        "groups": [_group(each) for each in agreement.strategies],
    }


def _besides(party: Party) -> Object:
    """What is agreed of a party besides who it is, in which role, behind which connector: its keys."""
    return {name: value for name, value in party.body().items() if name not in _PARTY}


def _group(strategy: Strategy) -> Object:
    """Which of the standard's strategies belong together, and the head of their policy."""
    return {
        "strategy": strategy.id,
        "enforced_by": strategy.enforced_by,
        "rules": sum(len(rules) for use in RULES if isinstance(rules := strategy.policy.get(use, []), list)),
        "policy": {name: value for name, value in strategy.policy.items() if name not in RULES},
    }


def _grouped(strategies: Place, groups: Place) -> list[Json]:
    left = strategies.items(1)
    found: list[Json] = []
    for each in groups.items(1):
        said = each.members(("strategy", "enforced_by", "rules", "policy"))
        count = said["rules"].integer(1, len(left))
        policy = said["policy"].object() | read_rules(left[:count])
        left = left[count:]
        found.append(Strategy(said["strategy"].text(), said["enforced_by"].text(), policy).body())
    return found
