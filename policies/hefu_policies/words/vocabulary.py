"""What a vocabulary of policies is made of: phases, operators, kinds of values, operands and actions.

The words themselves stand in `hefu_policies.words.operands` and `hefu_policies.words.actions`;
`hefu_policies.words.terms` is where the other rooms find everything. A vocabulary is a value, so that published suites
of policies, which have words of their own, are compiled and decided by the same code as ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum


class Phase(StrEnum):
    """When a decision is made, in the order of a computation's life."""

    CATALOG = "catalog"  # may this participant see the offer
    ADMISSION = "admission"  # may this request begin
    MONITOR = "monitor"  # may it go on
    RELEASE = "release"  # may this result leave
    POST = "post"  # how what is due afterwards is performed


PHASES = tuple(Phase)


class Operator(StrEnum):
    """How a fact is compared with the right operand."""

    EQ = "eq"
    NEQ = "neq"
    LT = "lt"
    LTEQ = "lteq"
    GT = "gt"
    GTEQ = "gteq"
    IS_A = "isA"
    IS_ANY_OF = "isAnyOf"
    IS_NONE_OF = "isNoneOf"
    IS_ALL_OF = "isAllOf"
    HAS_PART = "hasPart"
    IS_PART_OF = "isPartOf"


# Their right operand is a list.
SET_OPERATORS = frozenset({
    Operator.IS_ANY_OF, Operator.IS_NONE_OF, Operator.IS_ALL_OF, Operator.HAS_PART, Operator.IS_PART_OF,
})  # fmt: skip


class Combine(StrEnum):
    """How a logical constraint combines its parts."""

    AND = "and"
    OR = "or"
    XONE = "xone"
    AND_SEQUENCE = "andSequence"


class Kind(Enum):
    """The type of an operand's values, and how a fact of it looks."""

    DECIMAL = "xsd:decimal"  # Decimal or int
    INTEGER = "xsd:integer"  # int
    TIME = "xsd:dateTime"  # datetime in UTC
    DURATION = "xsd:duration"  # timedelta
    BOOLEAN = "xsd:boolean"  # bool
    PURPOSE = "purpose"  # str, a concept of a taxonomy
    CONCEPT = "concept"  # str, one of the operand's words
    LEVEL = "level"  # str, one of the operand's words, which are ordered
    PARTY = "party"  # str, a participant
    PARTIES = "parties"  # a set of participants
    NAMES = "names"  # a set of str
    DIGEST = "digest"  # str, sha256: and 64 hex digits
    REGION = "region"  # str, CN, CN-31, CN-310104 (ISO 3166, GB/T 2260): the longer, the narrower
    INDUSTRY = "industry"  # str, C, C27, C2710 (GB/T 4754): the longer, the narrower
    ADDRESS = "address"  # str, a host name or an IP address; policies name networks too
    WINDOW = "window"  # datetime in UTC; policies write windows of a week
    CLAIM = "claim"  # a set of str such as "ResearchLicence.level=2"
    IRI = "iri"  # str
    TEXT = "text"  # str


class Meet(StrEnum):
    """How the values of two contracts combine where both hold.

    ``ALLOWED``: what is allowed is intersected (isAnyOf, isPartOf, eq), what is excluded or demanded is united
    (isNoneOf, isAllOf).
    """

    MIN = "the lower"
    MAX = "the higher"
    ALLOWED = "what both allow"
    LATTICE = "what lies under both"
    EQUAL = "must be equal"
    BOTH = "both hold"
    ADDED = "the sum"
    SEPARATE = "each its own"


class Source(StrEnum):
    """Who knows the fact."""

    REQUEST = "the signed request"
    PLAN = "the plan"
    PRODUCT = "the data product"
    DATA = "the data source"
    LEDGER = "the budget ledger"
    GUARD = "the guard"
    CLOCK = "the connector's own clock"
    SETTINGS = "the connector's settings"
    REGISTRY = "attributes that the registry signed"
    CREDENTIAL = "verified credentials"
    TRANSPORT = "verified connections"
    ENGINE = "the engine"
    WORKER = "the worker, from the bytes it loaded"
    ATTESTATION = "the verifier of attestations"
    ENFORCEMENT = "the enforcement point"
    KEEPER = "whoever performs the duty"


@dataclass(frozen=True, slots=True)
class Operand:
    """A left operand.

    Attributes:
        name: of the fact; with a unit the fact's name has the unit's last part, such as ``frequency@P1D``.
        term: as policies write it.
        phases: in which it is decided; `Phase.POST` alone where it only says how or when a duty is performed.
        words: the closed list of a concept's values; empty for the other kinds.
        performance: in a duty it says *how* the duty is performed; any other operand there says *whether* it is due.
        unit: what the IRI of its unit begins with, which every constraint on it must then have; else empty.
        levels: the words of a `Kind.LEVEL`, from the lowest.
        taxonomy: of the vocabulary, by name: a value counts as each of its broader ones.
        prefix: what an IRI of it loses, so that it equals the id that is used everywhere else.
    """

    name: str
    term: str
    kind: Kind
    operators: frozenset[Operator]
    phases: frozenset[Phase]
    meet: Meet
    source: Source
    en: str
    zh: str
    words: frozenset[str] = frozenset()
    performance: bool = False
    unit: str = ""
    levels: tuple[str, ...] = ()
    taxonomy: str = ""
    prefix: str = ""

    @property
    def is_own(self) -> bool:
        """Whether the value is the requester's own, so that a refusal may repeat it to the requester."""
        return self.source in (Source.REQUEST, Source.PLAN)

    @property
    def in_rules(self) -> bool:
        """Whether it may stand in a permission or prohibition."""
        return self.phases != {Phase.POST}

    @property
    def in_ledger(self) -> bool:
        """Whether the fact is an account: a ledger charges it, so it must be plain which one."""
        return self.source is Source.LEDGER

    @property
    def waits(self) -> tuple[Phase, ...]:
        """The phases before the first in which it must be known: until then its constraint may wait."""
        return PHASES[: min((PHASES.index(each) for each in self.phases), default=len(PHASES))]


@dataclass(frozen=True, slots=True)
class Action:
    """An action.

    Attributes:
        included_in: the actions that are broader, directly.
        uses: in which rules it may stand: ``permission``, ``prohibition``, ``duty``, ``obligation``; remedies and
            consequences are written with the actions of obligations and duties.
        due: when a duty of a permission is due, unless the duty itself says it with ``odrl:event``: before the
            admission, with the release, or afterwards.
    """

    term: str
    included_in: tuple[str, ...]
    uses: frozenset[str]
    en: str
    zh: str
    due: Phase = Phase.ADMISSION


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """All that policies may say.

    Attributes:
        actions: by term; operands too.
        taxonomies: by name: of each known value, itself and all that is broader.
        by_name: the operands by the names of their facts; ``covers``: all that is included in an action. Both follow
            from the others.
    """

    actions: Mapping[str, Action]
    operands: Mapping[str, Operand]
    taxonomies: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    by_name: Mapping[str, Operand] = field(init=False)
    covers: Mapping[str, frozenset[str]] = field(init=False)

    def __post_init__(self) -> None:
        broader = {each: self._broader(each) for each in self.actions}
        covers = {action: frozenset(each for each in broader if action in broader[each]) for action in self.actions}
        object.__setattr__(self, "by_name", {each.name: each for each in self.operands.values()})
        object.__setattr__(self, "covers", covers)

    def narrower(self, action: str) -> frozenset[str]:
        """An action and all that are included in it: what a rule about it covers."""
        return self.covers.get(action) or frozenset({action})

    def _broader(self, action: str) -> set[str]:
        found = {action}
        for each in self.actions[action].included_in:
            found |= self._broader(each) if each in self.actions else {each}
        return found
