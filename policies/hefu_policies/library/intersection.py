"""Templates for private set intersection: once with members, its size only, and never for joint marketing."""

from __future__ import annotations

from hefu.canonical import Object

from hefu_policies.deciding.policy import Condition
from hefu_policies.library import parameters as check
from hefu_policies.library.common import (
    KEEP,
    KEYS,
    PARTIES,
    count,
    goal,
    made,
    until,
)  # fmt: skip
from hefu_policies.library.parameters import Parameter, Values
from hefu_policies.library.rules import duty, need, never, permission, several, written
from hefu_policies.library.statistics import COUNT, MIN_GROUP, PURPOSE, UNTIL
from hefu_policies.words.terms import COMPUTE, DELETE, DELIVER, INFORM, OBTAIN_APPROVAL, PSI

_ROWS = Parameter(
    "rows",
    check.whole,
    "a whole number of at least 1, such as 100000",
    "rows of each side, at most",
    "每方行数上限",
    100000,
)
_FRAUD = Parameter(
    "purpose", check.purpose, "a purpose such as dpv:FraudPreventionAndDetection", "what for", "用途",
    "dpv:FraudPreventionAndDetection",
)  # fmt: skip


def _matching(values: Values) -> list[Condition]:
    return [
        goal(values),
        need("keys", "hefu:joinKey", "isPartOf", *several(values["keys"])),
        need("columns", "hefu:column", "isPartOf", *several(values["keys"])),
        need("only", "hefu:counterparty", "isPartOf", *several(values["parties"])),
        need("rows", "hefu:inputRows", "lteq", values["rows"]),
        need("group", "hefu:minGroup", "gteq", values["min_group"]),
        until(values),
    ]


def _once(values: Values) -> Object:
    conditions = [
        *_matching(values),
        need("output", "hefu:outputKind", "eq", "IntersectionIds"),
        need("once", "odrl:count", "lteq", 1),
    ]
    keep = need("keep", "hefu:retention", "lteq", values["keep"])
    return written(
        [permission("match", PSI, conditions, duty("approval", OBTAIN_APPROVAL))],
        [never("deliver", DELIVER), never("distribute", "odrl:distribute")],
        [duty("delete", DELETE, keep)],
    )


def _size(values: Values) -> Object:
    size = need("output", "hefu:outputKind", "eq", "CardinalityOnly")
    return written([permission("size", PSI, [*_matching(values), size, count(values)])], [never("deliver", DELIVER)])


def _no_marketing(values: Values) -> Object:
    conditions = [
        *_matching(values),
        need("output", "hefu:outputKind", "isAnyOf", "CardinalityOnly", "IntersectionIds"),
        count(values),
    ]
    marketing = need("marketing", "odrl:purpose", "isAnyOf", "dpv:Marketing", "dpv:Personalisation")
    selling = need("selling", "odrl:purpose", "isA", "dpv:SellInsightsFromData")
    keep = need("keep", "hefu:retention", "lteq", values["keep"])
    at_once = need("at-once", "odrl:delayPeriod", "lteq", "P1D")
    remedies = (duty("undo", DELETE, at_once), duty("tell", INFORM))
    return written(
        [permission("match", PSI, conditions)],
        [never("marketing", COMPUTE, marketing, remedies=remedies), never("selling", COMPUTE, selling)],
        [duty("delete", DELETE, keep)],
    )


INTERSECTION = (
    made(
        "intersection-once",
        (PURPOSE, KEYS, PARTIES, _ROWS, MIN_GROUP, UNTIL, KEEP),
        _once,
        ("One private intersection, with its members", "一次性隐私求交（含成员）"),
        (
            "One single intersection on {keys} with {parties}, for {purpose}, until {until}, of at most {rows} rows a "
            "side. Its members are told if there are at least {min_group} of them, to be deleted after {keep} at the "
            "latest; they may not be passed on. A person of the provider approves before it runs.",
            "可与 {parties} 以 {keys} 为键进行一次隐私求交，用途为{purpose}，截止 {until}，每方不超过 {rows} 行。"
            "交集不少于 {min_group} 个成员时公布成员，最长保存 {keep}，到期删除，不得转给他人。"
            "运行前须经提供方人员批准。",
        ),
    ),
    made(
        "intersection-size",
        (PURPOSE, KEYS, PARTIES, _ROWS, MIN_GROUP, COUNT, UNTIL),
        _size,
        ("The size of an intersection, without members", "仅公布交集规模"),
        (
            "The size of the intersection on {keys} with {parties}, for {purpose}, at most {count} times, until "
            "{until}, "
            "of at most {rows} rows a side; a size below {min_group} is not told. Members are never told.",
            "可与 {parties} 以 {keys} 为键计算交集规模，用途为{purpose}，最多 {count} 次，截止 {until}，"
            "每方不超过 {rows} 行；"
            "规模低于 {min_group} 时不予公布。任何情形下不公布成员。",
        ),
    ),
    made(
        "intersection-no-marketing",
        (_FRAUD, KEYS, PARTIES, _ROWS, MIN_GROUP, COUNT, UNTIL, KEEP),
        _no_marketing,
        ("Intersection against fraud; joint marketing is refused", "反欺诈隐私求交（拒绝联合营销）"),
        (
            "Intersections on {keys} with {parties}, for {purpose}, at most {count} times, until {until}, of at most "
            "{rows} rows a side and with at least {min_group} members. What was learnt is deleted after {keep} at the "
            "latest. Joint marketing, personalisation and selling of insights are prohibited; whoever does so all the "
            "same must delete what was learnt and inform the provider.",
            "可与 {parties} 以 {keys} 为键进行隐私求交，用途为{purpose}，最多 {count} 次，截止 {until}，"
            "每方不超过 {rows} 行，"
            "交集不少于 {min_group} 个成员。所获结果最长保存 {keep}，到期删除。禁止用于联合营销、个性化及出售数据洞察；"
            "违反者须删除所获结果并告知提供方。",
        ),
    ),
)
