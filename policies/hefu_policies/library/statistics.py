"""Templates for differentially private statistics: for research, for all members, for a regulator; counted in ρ.

All permit one action, `hefu:dpQuery`, with a limit per release and in total, a minimum group, listed columns
and an end; all demand the log. They differ in who may ask and what for.
"""

from __future__ import annotations

from hefu.canonical import Json, Object
from hefu.errors import Language

from hefu_policies.library.parameters import (
    Parameter,
    Template,
    Values,
    concepts,
    constraint,
    instant,
    names,
    participants,
    positive,
    purpose,
    typed,
    whole,
)  # fmt: skip
from hefu_policies.library.showing import shown
from hefu_policies.words import purposes
from hefu_policies.words.terms import COMPUTE, DP_QUERY, LOG, PARTICIPANT_PREFIX, Kind


def _keys(value: Json) -> Json:
    """Names of columns, or none."""
    return [] if value == [] else names(value)


PURPOSE = Parameter(
    "purpose", purpose, "a purpose such as dpv:ScientificResearch", "what for", "用途", "dpv:ScientificResearch"
)
EPSILON = Parameter(
    "epsilon",
    positive,
    'a decimal above 0 as text, such as "0.5"',
    "ε of one release, at most",
    "单次发布 ε 上限",
    "0.5",
)
BUDGET = Parameter(
    "budget", positive, 'a decimal above 0 as text, such as "4"', "ε of the whole agreement, at most",
    "合约累计 ε 上限",
    example="4",
)  # fmt: skip
RHO = Parameter(
    "rho", positive, 'a decimal above 0 as text, such as "0.05"', "ρ of one release, at most", "单次发布 ρ 上限", "0.05"
)
RHO_BUDGET = Parameter(
    "budget", positive, 'a decimal above 0 as text, such as "0.5"', "ρ of the whole agreement, at most",
    "合约累计 ρ 上限",
    example="0.5",
)  # fmt: skip
MIN_GROUP = Parameter(
    "min_group", whole, "a whole number of at least 1, such as 20", "smallest group told", "最小分组人数", 20
)
COLUMNS = Parameter(
    "columns", names, "a list of column names, such as [age, region]", "columns that may be used", "可使用的列",
    example=["age", "region"],
)  # fmt: skip
UNTIL = Parameter(
    "until", instant, "a time such as 2027-11-21T00:00:00Z", "the end", "截止时间", example="2027-11-21T00:00:00Z"
)
COUNT = Parameter(
    "count", whole, "a whole number of at least 1, such as 200", "computations in all, at most", "计算次数上限",
    example=200,
)  # fmt: skip
RECIPIENTS = Parameter(
    "recipients", participants, "a list of participants, such as [health-commission]", "who may ask", "可使用的监管方",
    example=["health-commission"],
)  # fmt: skip
JOIN_KEYS = Parameter(
    "join_keys", _keys, "a list of column names, such as [patient]", "privacy units that queries may join it on",
    "查询可据以连接本产品的隐私单元列",
    default=[],
)  # fmt: skip
_PARAMETERS = (PURPOSE, RHO, EPSILON, BUDGET, MIN_GROUP, COLUMNS, UNTIL, COUNT, RECIPIENTS, JOIN_KEYS)
_OUTPUT = ("hefu:NoisyAggregate", "hefu:Histogram")
_REGULATORY = ("dpv:LegalCompliance", "dpv:ProvideOfficialStatistics", "dpv:PublicPolicyMaking")


def _limits(values: Values) -> list[Json]:
    """The constraints that all these templates share."""
    counted = "rho" if "rho" in values else "epsilon"
    return [
        constraint(counted, f"hefu:{counted}", "lteq", typed(values[counted], Kind.DECIMAL)),
        constraint("budget", f"hefu:{counted}Budget", "lteq", typed(values["budget"], Kind.DECIMAL)),
        constraint("group", "hefu:minGroup", "gteq", typed(values["min_group"], Kind.INTEGER)),
        constraint("columns", "hefu:column", "isPartOf", values["columns"]),
        constraint("output", "hefu:outputKind", "isAnyOf", concepts(_OUTPUT)),
        constraint("until", "odrl:dateTime", "lt", typed(values["until"], Kind.TIME)),
        *([constraint("join", "hefu:joinKey", "isPartOf", values["join_keys"])] if values["join_keys"] else []),
    ]


def _permission(constraints: list[Json]) -> list[Json]:
    duty: Json = {"@id": "urn:d:log", "action": LOG}
    return [{"@id": "urn:rule:statistics", "action": DP_QUERY, "constraint": constraints, "duty": [duty]}]


def _research(values: Values) -> Object:
    goal, count = str(values["purpose"]), values["count"]
    constraints: list[Json] = [
        constraint("purpose", "odrl:purpose", "isA", {"@id": goal}),
        *_limits(values),
        constraint("count", "odrl:count", "lteq", typed(count, Kind.INTEGER)),
    ]
    rules: Object = {"permission": _permission(constraints)}
    if "dpv:CommercialPurpose" not in purposes.LINEAGE[goal]:  # else it would forbid what was asked for
        commercial = constraint("commercial", "odrl:purpose", "isA", {"@id": "dpv:CommercialPurpose"})
        rules["prohibition"] = [{"@id": "urn:no:commercial", "action": COMPUTE, "constraint": [commercial]}]
    return rules


def _open(values: Values) -> Object:
    return {"permission": _permission(_limits(values))}


def _regulator(values: Values) -> Object:
    recipients = values["recipients"]
    asking = [PARTICIPANT_PREFIX + str(each) for each in recipients] if isinstance(recipients, list) else []
    constraints: list[Json] = [
        constraint("recipient", "odrl:recipient", "isAnyOf", concepts(asking)),
        constraint("purpose", "odrl:purpose", "isAnyOf", concepts(_REGULATORY)),
        *_limits(values),
    ]
    return {"permission": _permission(constraints)}


_LIMITS_EN = (
    "over the columns {columns}, until {until}. Each release costs at most {counted} = {most}, all together at most "
    "{counted} = {budget}. Groups smaller than {min_group} are not told. Every release is logged."
)
_LIMITS_ZH = (
    "可使用的列为 {columns}，截止 {until}。单次发布的 {counted} 不超过 {most}，累计 {counted} 不超过 {budget}。"
    "少于 {min_group} 的分组不予发布。每次发布均记入日志。"
)
_JOINS = (
    " A query may join the product with another of its provider on {join_keys}, under both contracts.",
    "查询可依两份合约，以 {join_keys} 将本产品与同一提供方的另一产品连接。",
)


def _research_text(values: Values, language: Language) -> str:
    if language == "zh":
        head = "为{purpose}查询差分隐私统计，最多 {count} 次；"
        tail = "不得用于商业目的。" if _has_prohibition(values) else ""
    else:
        head = "Differentially private statistics for {purpose}, at most {count} computations, "
        tail = " Commercial purposes are prohibited." if _has_prohibition(values) else ""
    return _fill(head, values, language) + tail


def _has_prohibition(values: Values) -> bool:
    return "prohibition" in _research(values)


def _open_text(values: Values, language: Language) -> str:
    head = "向可见本报价的成员开放差分隐私统计，用途不限；" if language == "zh" else (
        "Differentially private statistics for everybody who may see the offer, whatever for, "
    )  # fmt: skip
    return _fill(head, values, language)


def _regulator_text(values: Values, language: Language) -> str:
    head = "供 {recipients} 为法定职责、官方统计或政策制定查询差分隐私统计；" if language == "zh" else (
        "Differentially private statistics for {recipients}, to meet legal duties, for official statistics or for "
        "making public policy, "
    )  # fmt: skip
    return _fill(head, values, language)


def _fill(head: str, values: Values, language: Language) -> str:
    words = shown((each for each in _PARAMETERS if each.name in values), values, language)
    counted = ("ρ", words["rho"]) if "rho" in words else ("ε", words["epsilon"])
    limits = _LIMITS_ZH if language == "zh" else _LIMITS_EN
    joins = _JOINS[language == "zh"] if values["join_keys"] else ""
    return (head + limits + joins).format(**words, counted=counted[0], most=counted[1])


RESEARCH = Template(
    "research-statistics",
    (PURPOSE, EPSILON, BUDGET, MIN_GROUP, COLUMNS, UNTIL, COUNT, JOIN_KEYS),
    _research,
    _research_text,
    "Private statistics for one purpose, not commercial, a limited number of times",
    "面向单一非商业用途、次数有限的差分隐私统计",
)
OPEN = Template(
    "open-statistics",
    (EPSILON, BUDGET, MIN_GROUP, COLUMNS, UNTIL, JOIN_KEYS),
    _open,
    _open_text,
    "Private statistics for any purpose",
    "用途不限的差分隐私统计",
)
COUNTED_IN_RHO = Template(
    "rho-statistics",
    (RHO, RHO_BUDGET, MIN_GROUP, COLUMNS, UNTIL, JOIN_KEYS),
    _open,
    _open_text,
    "Private statistics for any purpose, counted in ρ of zero-concentrated privacy",
    "用途不限的差分隐私统计（以 zCDP 的 ρ 计量）",
)
REGULATOR = Template(
    "regulator-statistics",
    (RECIPIENTS, EPSILON, BUDGET, MIN_GROUP, COLUMNS, UNTIL, JOIN_KEYS),
    _regulator,
    _regulator_text,
    "Private statistics for named regulators in their duties",
    "面向指定监管方履职的差分隐私统计",
)
