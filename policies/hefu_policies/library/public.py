"""Templates for figures of public interest: official statistics, carbon accounts, loads of a grid, emergencies."""

from __future__ import annotations

from hefu.canonical import Object

from hefu_policies.deciding.policy import Condition, Duty
from hefu_policies.library import parameters as check
from hefu_policies.library.common import (
    ROUNDING,
    Words,
    columns,
    count,
    made,
    statistics_limits,
    until,
)  # fmt: skip
from hefu_policies.library.parameters import Parameter, Values
from hefu_policies.library.rules import duty, either, need, never, permission, several, together, written
from hefu_policies.library.statistics import BUDGET, COLUMNS, COUNT, EPSILON, MIN_GROUP, RECIPIENTS, UNTIL
from hefu_policies.words.terms import (
    AGGREGATE_QUERY,
    COMPUTE,
    DELETE,
    DELIVER,
    DP_QUERY,
    INFORM,
    OBTAIN_APPROVAL,
    USAGE,
)

_REGIONS = Parameter(
    "regions",
    check.regions,
    "a list of regions, such as [CN-31]",
    "where it may be used",
    "使用地域",
    example=["CN-31"],
)
_INTERVAL = Parameter(
    "interval", check.length, "a length of time such as PT15M", "time between two questions, at least",
    "两次查询的间隔",
    "PT15M",
)  # fmt: skip
_EMERGENCY = Parameter(
    "lasting", check.length, "a length of time such as P3D", "how long it lasts from the agreement on",
    "自签约起的有效时长",
    "P3D",
)  # fmt: skip
_NOTICE = Parameter(
    "notice", check.length, "a length of time such as PT24H", "within which each use is told", "事后告知期限", "PT24H"
)
_AUTHORITY = Parameter(
    "authority", check.participant, "a participant such as health-commission", "who is told of each use",
    "告知对象", example="data-authority",
)  # fmt: skip
_APPROVED = Parameter(
    "approved", check.flag, "true or false, such as true", "a person of the provider approves each question first",
    "每个问题须先由提供方人员批准", default=False,
)  # fmt: skip
_FUNCTIONS = ("count", "sum", "mean")


def _asked_by(values: Values) -> Condition:
    return need("recipient", "odrl:recipient", "isAnyOf", *several(values["recipients"]))


def _exact(values: Values) -> list[Condition]:
    return [
        need("group", "hefu:minGroup", "gteq", values["min_group"]),
        need("rounding", "hefu:rounding", "gteq", values["rounding"]),
        columns(values),
        need("output", "hefu:outputKind", "isAnyOf", "Aggregate", "Histogram", "Scalar"),
        need("functions", "hefu:function", "isPartOf", *_FUNCTIONS),
        count(values),
        until(values),
    ]


def _approval(values: Values) -> list[Duty]:
    return [duty("approval", OBTAIN_APPROVAL)] if values[_APPROVED.name] else []


def _told_of_approval(values: Values) -> Words:
    if not values[_APPROVED.name]:
        return "", ""
    return (
        " A person of the provider approves each question before anything is read.",
        "每个问题须先经提供方人员批准，方可读取数据。",
    )


def _official(values: Values) -> Object:
    purpose = need("purpose", "odrl:purpose", "isAnyOf", "dpv:ProvideOfficialStatistics", "dpv:PublicPolicyMaking")
    may = permission("aggregates", AGGREGATE_QUERY, [_asked_by(values), purpose, *_exact(values)], *_approval(values))
    return written([may], [never("deliver", DELIVER)])


def _carbon(values: Values) -> Object:
    climate = need("climate", "odrl:purpose", "isA", "dpv:CombatClimateChange")
    compliance = need("compliance", "odrl:purpose", "isA", "dpv:LegalCompliance")
    checked = together("verified", compliance, _asked_by(values))
    why = either("why", climate, checked)
    may = permission("account", AGGREGATE_QUERY, [why, *_exact(values)], *_approval(values))
    return written([may], [never("deliver", DELIVER)])


def _grid(values: Values) -> Object:
    conditions = [
        need("purpose", "odrl:purpose", "isAnyOf", "dpv:ImprovePublicServices", "dpv:CombatClimateChange"),
        *statistics_limits(values),
        need("place", "odrl:spatial", "isPartOf", *several(values["regions"])),
        need("interval", "odrl:timeInterval", "gteq", values["interval"]),
    ]
    people = need("personal", "odrl:purpose", "isAnyOf", "dpv:Marketing", "dpv:Personalisation")
    return written([permission("load", DP_QUERY, conditions)], [never("people", COMPUTE, people)])


def _emergency(values: Values) -> Object:
    after = need("after", "odrl:event", "gt", USAGE)
    within = need("within", "odrl:delayPeriod", "lteq", values["notice"])
    told = duty("notice", INFORM, after, within, need("told", "odrl:recipient", "eq", values["authority"]),
                otherwise=[duty("withdraw", DELETE, need("withdrawn", "odrl:delayPeriod", "lteq", "P1D"))])  # fmt: skip
    conditions = [
        _asked_by(values),
        need("purpose", "odrl:purpose", "isA", "dpv:ProtectionOfPublicSecurity"),
        need("lasting", "odrl:elapsedTime", "lteq", values["lasting"]),
        need("group", "hefu:minGroup", "gteq", values["min_group"]),
        columns(values),
        need("output", "hefu:outputKind", "isAnyOf", "Aggregate", "Histogram", "Scalar"),
        count(values),
    ]
    other = need("other", "odrl:purpose", "isNoneOf", "dpv:ProtectionOfPublicSecurity")
    return written([permission("emergency", AGGREGATE_QUERY, conditions, told)], [never("other-use", COMPUTE, other)])


PUBLIC = (
    made(
        "official-statistics",
        (RECIPIENTS, MIN_GROUP, ROUNDING, COLUMNS, COUNT, UNTIL, _APPROVED),
        _official,
        ("Exact, rounded figures for a statistical office or a city", "面向统计部门或城市管理的取整精确统计"),
        (
            "{recipients} may ask for counts, sums and means over the columns {columns} for official statistics or for "
            "making public policy, at most {count} times, until {until}. Figures are rounded to steps of at least "
            "{rounding}; groups smaller than {min_group} are not told. Rows are never delivered.",
            "{recipients} 可为官方统计或公共政策制定查询列 {columns} 的计数、合计与均值，最多 {count} 次，截止 "
            "{until}。"
            "数值按不小于 {rounding} 的步长取整，少于 {min_group} 的分组不予发布。任何情形下不交付数据行。",
        ),
        _told_of_approval,
    ),
    made(
        "carbon-accounting",
        (RECIPIENTS, MIN_GROUP, ROUNDING, COLUMNS, COUNT, UNTIL, _APPROVED),
        _carbon,
        ("Sums for carbon accounts, and for those who verify them", "碳核算合计及其核查"),
        (
            "Sums, counts and means over the columns {columns}, at most {count} times, until {until}: for whoever "
            "accounts for emissions to combat climate change, and for {recipients} who verify such accounts by law. "
            "Figures are rounded to steps of at least {rounding} and stand for at least {min_group} units each. Meter "
            "readings themselves are never delivered.",
            "可对列 {columns} 查询合计、计数与均值，最多 {count} 次，截止 {until}：用于应对气候变化的碳核算，"
            "或由 {recipients} 依法核查该核算。数值按不小于 {rounding} 的步长取整，每项至少代表 {min_group} 个单元。"
            "任何情形下不交付计量原始数据。",
        ),
        _told_of_approval,
    ),
    made(
        "grid-load-statistics",
        (EPSILON, BUDGET, MIN_GROUP, COLUMNS, _REGIONS, _INTERVAL, UNTIL),
        _grid,
        ("Private load curves of a grid, never of a household", "电网负荷的差分隐私统计（不涉单户）"),
        (
            "Differentially private load statistics over the columns {columns}, to improve public services or to "
            "combat "
            "climate change, used in {regions}, until {until}. Each release costs at most ε = {epsilon}, all together "
            "at most ε = {budget}; groups smaller than {min_group} are not told; two questions are at least {interval} "
            "apart. Marketing and personalisation are prohibited.",
            "为改善公共服务或应对气候变化，可在 {regions} 境内查询列 {columns} 的差分隐私负荷统计，截止 {until}。"
            "单次 ε 不超过 {epsilon}，累计 ε 不超过 {budget}；少于 {min_group} 的分组不予发布；两次查询至少间隔 "
            "{interval}。"
            "禁止用于营销与个性化。",
        ),
    ),
    made(
        "emergency-use",
        (RECIPIENTS, _AUTHORITY, MIN_GROUP, COLUMNS, COUNT, _EMERGENCY, _NOTICE),
        _emergency,
        ("Exact figures in an emergency, with notice afterwards", "紧急情形下的精确统计（事后告知）"),
        (
            "In an emergency {recipients} may ask for exact figures over the columns {columns} to protect public "
            "security, at most {count} times and for no longer than {lasting} from the agreement on; groups smaller "
            "than {min_group} are not told. No approval is needed beforehand. Within {notice} of each use "
            "{authority} is "
            "informed; if that is not done in time, what was received must be deleted and no further use is admitted. "
            "Any other purpose is prohibited.",
            "紧急情形下，{recipients} 可为维护公共安全查询列 {columns} 的精确统计，最多 {count} 次，"
            "自签约起不超过 {lasting}；"
            "少于 {min_group} 的分组不予发布。无须事先批准。每次使用后 {notice}内须告知 {authority}；逾期未告知的，"
            "须删除所获数据，且不再受理后续使用。禁止用于其他任何目的。",
        ),
    ),
)
