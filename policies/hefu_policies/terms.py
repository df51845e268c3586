"""The vocabulary of policies, as one table: what may be said, of which type, with which operators, decided when.

Only what is really evaluated stands here; an operand or action that does not is refused when a policy is loaded.

Terms of the W3C's ODRL 2.2 have the prefix ``odrl:``, our own ``hefu:``. A fact bears the operand's name without
prefix. At release every constraint is decided, so the facts of the admission are carried over; an operand whose
phases lack the admission may still be unknown then, and the constraint is deferred.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Final

PROFILE: Final = "https://w3id.org/hefu/policy/1.0#"
CONTEXTS: Final = (
    "https://w3id.org/dspace/2025/1/context.jsonld",
    "https://w3id.org/dspace/2025/1/odrl-profile.jsonld",
    "https://w3id.org/hefu/policy/1.0/context.jsonld",
)


class Phase(StrEnum):
    """When a decision is made."""

    ADMISSION = "admission"
    RELEASE = "release"


class Operator(StrEnum):
    """How a fact is compared with the right operand."""

    EQ = "eq"
    LT = "lt"
    LTEQ = "lteq"
    GT = "gt"
    GTEQ = "gteq"
    IS_A = "isA"
    IS_ANY_OF = "isAnyOf"
    IS_NONE_OF = "isNoneOf"
    IS_PART_OF = "isPartOf"


SET_OPERATORS: Final = frozenset({Operator.IS_ANY_OF, Operator.IS_NONE_OF, Operator.IS_PART_OF})


class Kind(Enum):
    """The type of an operand's values, and how a fact of it looks."""

    DECIMAL = "xsd:decimal"  # Decimal or int
    INTEGER = "xsd:integer"  # int
    TIME = "xsd:dateTime"  # datetime in UTC
    DURATION = "xsd:duration"  # timedelta
    PURPOSE = "purpose"  # str, a concept of hefu_policies.purposes
    CONCEPT = "concept"  # str, one of the operand's words
    PARTY = "party"  # str, a participant
    NAMES = "names"  # a set of str


class Meet(StrEnum):
    """How the values of two contracts combine where both hold."""

    MIN = "the lower"
    MAX = "the higher"
    ALLOWED = "what both allow"
    LATTICE = "what lies under both"
    SEPARATE = "each its own"


class Source(StrEnum):
    """Who knows the fact."""

    REQUEST = "the signed request"
    PLAN = "the plan"
    PRODUCT = "the data product"
    LEDGER = "the budget ledger"
    GUARD = "the guard"
    CLOCK = "the connector's own clock"
    KEEPER = "whoever keeps delivered data"


@dataclass(frozen=True, slots=True)
class Operand:
    """A left operand.

    Attributes:
        name: of the fact.
        term: as policies write it.
        phases: in which the fact must be known; none for an operand that says how an obligation is performed.
        words: the closed list of a concept's values; empty for the other kinds.
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

    @property
    def is_own(self) -> bool:
        """Whether the value is the requester's own, so that a refusal may repeat it to the requester."""
        return self.source in (Source.REQUEST, Source.PLAN)


@dataclass(frozen=True, slots=True)
class Action:
    """An action.

    Attributes:
        included_in: the actions that are broader, directly.
        uses: in which rules it may stand: ``permission``, ``prohibition``, ``duty``, ``obligation``.
    """

    term: str
    included_in: tuple[str, ...]
    uses: frozenset[str]
    en: str
    zh: str


_AT_ONCE = frozenset({Phase.ADMISSION})
_BOTH = frozenset({Phase.ADMISSION, Phase.RELEASE})
_LATE = frozenset({Phase.RELEASE})
_AT_MOST = frozenset({Operator.LTEQ})
_AT_LEAST = frozenset({Operator.GTEQ})
_ONE_OF = frozenset({Operator.EQ, Operator.IS_ANY_OF})
_INSIDE = frozenset({Operator.IS_PART_OF})
_PURPOSES = frozenset({Operator.IS_A, Operator.IS_ANY_OF, Operator.IS_NONE_OF})
_COLUMNS = frozenset({Operator.IS_PART_OF, Operator.IS_NONE_OF})
_TIMES = frozenset({Operator.LT, Operator.LTEQ, Operator.GT, Operator.GTEQ})
_AFTER: frozenset[Phase] = frozenset()
ROWS: Final = "Rows"
FILE: Final = "File"
_KINDS_OF_OUTPUT = frozenset({"NoisyAggregate", "Histogram", "Scalar", ROWS, FILE})

_RULES = frozenset({"permission", "prohibition"})

RAW: Final = "raw"
MASKED: Final = "masked"
SAMPLED: Final = "sampled"
ANONYMISED: Final = "anonymised"
PROCESSING: Final = frozenset({RAW, MASKED, SAMPLED, ANONYMISED})

COMPUTE: Final = "hefu:compute"
DP_QUERY: Final = "hefu:dpQuery"
DELIVER: Final = "hefu:deliver"
READ: Final = "odrl:read"
DOWNLOAD: Final = "hefu:download"
DELETE: Final = "odrl:delete"
LOG: Final = "hefu:log"
USE: Final = "odrl:use"

ACTIONS: Final[Mapping[str, Action]] = MappingProxyType({
    each.term: each for each in (
        Action(USE, (), frozenset(), "use", "使用"),
        Action(READ, (USE,), _RULES, "read what was delivered, inside the connector", "在连接器内读取所交付的数据"),
        Action("odrl:distribute", (USE,), frozenset({"prohibition"}), "distribute", "分发"),
        Action(COMPUTE, (USE,), frozenset({"prohibition"}), "compute without obtaining the data", "不获取数据的计算"),
        Action(DP_QUERY, (COMPUTE,), _RULES, "ask differentially private statistics", "查询差分隐私统计"),
        Action(DELIVER, (USE,), _RULES, "have rows or a file delivered", "获取交付的数据行或文件"),
        Action(DOWNLOAD, (USE,), _RULES, "take delivered data out of the connector", "将所交付的数据导出连接器"),
        Action(DELETE, (), frozenset({"obligation"}), "delete what was delivered", "删除所交付的数据"),
        Action(LOG, (), frozenset({"duty"}), "record in the journal", "记入日志"),
    )
})  # fmt: skip

# One line an operand: name, term, kind, operators, phases, meet, source, labels.
OPERANDS: Final[Mapping[str, Operand]] = MappingProxyType({
    each.term: each for each in (
        Operand("purpose", "odrl:purpose", Kind.PURPOSE, _PURPOSES, _AT_ONCE, Meet.LATTICE, Source.REQUEST,
                "purpose", "目的"),
        Operand("operation", "hefu:operation", Kind.CONCEPT, _ONE_OF, _AT_ONCE, Meet.ALLOWED, Source.PLAN,
                "operation", "操作", frozenset({DP_QUERY, DELIVER})),
        Operand("column", "hefu:column", Kind.NAMES, _COLUMNS, _AT_ONCE, Meet.ALLOWED, Source.PLAN,
                "columns used anywhere", "用到的列"),
        Operand("function", "hefu:function", Kind.NAMES, _INSIDE, _AT_ONCE, Meet.ALLOWED, Source.PLAN,
                "functions used", "用到的函数"),
        Operand("epsilon", "hefu:epsilon", Kind.DECIMAL, _AT_MOST, _BOTH, Meet.MIN, Source.PLAN,
                "ε of one release", "单次发布的 ε"),
        Operand("delta", "hefu:delta", Kind.DECIMAL, _AT_MOST, _BOTH, Meet.MIN, Source.PLAN,
                "δ of one release", "单次发布的 δ"),
        Operand("epsilonBudget", "hefu:epsilonBudget", Kind.DECIMAL, _AT_MOST, _BOTH, Meet.SEPARATE, Source.LEDGER,
                "ε spent under this agreement, this release included", "本合约累计 ε（含本次）"),
        Operand("deltaBudget", "hefu:deltaBudget", Kind.DECIMAL, _AT_MOST, _BOTH, Meet.SEPARATE, Source.LEDGER,
                "δ spent under this agreement, this release included", "本合约累计 δ（含本次）"),
        Operand("count", "odrl:count", Kind.INTEGER, _AT_MOST, _AT_ONCE, Meet.MIN, Source.LEDGER,
                "computations under this agreement, this one included", "本合约累计计算次数（含本次）"),
        Operand("dateTime", "odrl:dateTime", Kind.TIME, _TIMES, _BOTH, Meet.ALLOWED, Source.CLOCK,
                "time", "时间"),
        Operand("minGroup", "hefu:minGroup", Kind.INTEGER, _AT_LEAST, _LATE, Meet.MAX, Source.GUARD,
                "smallest group an output cell stands for", "输出单元的最小分组"),
        Operand("outputKind", "hefu:outputKind", Kind.CONCEPT, _ONE_OF, _BOTH, Meet.ALLOWED, Source.PLAN,
                "kind of output", "输出类型", _KINDS_OF_OUTPUT),
        Operand("outputRows", "hefu:outputRows", Kind.INTEGER, _AT_MOST, _LATE, Meet.MIN, Source.PLAN,
                "rows of output", "输出行数"),
        Operand("maxContribution", "hefu:maxContribution", Kind.INTEGER, _AT_MOST, _AT_ONCE, Meet.MIN, Source.PRODUCT,
                "rows of one privacy unit", "单个隐私单元的行数"),
        Operand("recipient", "odrl:recipient", Kind.PARTY, _ONE_OF, _BOTH, Meet.ALLOWED, Source.REQUEST,
                "recipient", "接收方"),
        Operand("processing", "hefu:processing", Kind.CONCEPT, _ONE_OF, _BOTH, Meet.ALLOWED, Source.PLAN,
                "how delivered data is processed", "交付数据的处理方式", PROCESSING),
        Operand("share", "hefu:share", Kind.DECIMAL, _AT_MOST, _BOTH, Meet.MIN, Source.PLAN,
                "share of the privacy units that is delivered", "所交付的隐私单元比例"),
        Operand("retention", "hefu:retention", Kind.DURATION, _AT_MOST, _AFTER, Meet.MIN, Source.KEEPER,
                "how long delivered data is kept", "交付数据的保存期限"),
        Operand("deadline", "hefu:deadline", Kind.TIME, _AT_MOST, _AFTER, Meet.MIN, Source.KEEPER,
                "when delivered data is deleted", "交付数据的删除期限"),
    )
})  # fmt: skip

BY_NAME: Final[Mapping[str, Operand]] = MappingProxyType({each.name: each for each in OPERANDS.values()})


def narrower(action: str) -> frozenset[str]:
    """An action and all that are included in it: what a rule about it covers."""
    return frozenset(each for each in ACTIONS if action in _broader(each))


def _broader(action: str) -> set[str]:
    found = {action}
    for each in ACTIONS[action].included_in:
        found |= _broader(each)
    return found
