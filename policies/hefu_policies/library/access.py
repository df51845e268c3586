"""Templates for other ways to ask: a trial, paid per query, in office hours only."""

from __future__ import annotations

from hefu.canonical import Object

from hefu_policies.library import parameters as check
from hefu_policies.library.common import count, made, statistics_limits
from hefu_policies.library.encrypted import CURRENCY, PRICE
from hefu_policies.library.parameters import Parameter, Values
from hefu_policies.library.rules import duty, money, need, never, permission, several, written
from hefu_policies.library.statistics import BUDGET, COLUMNS, COUNT, EPSILON, MIN_GROUP, UNTIL
from hefu_policies.words.terms import COMPENSATE, DELIVER, DP_QUERY, PREVIEW

_LASTING = Parameter(
    "lasting", check.length, "a length of time such as P14D", "how long the trial lasts", "试用时长", "P14D"
)
_ROWS = Parameter(
    "rows",
    check.whole,
    "a whole number of at least 1, such as 100",
    "synthetic rows shown, at most",
    "合成样本行数上限",
    100,
)
_HOURS = Parameter(
    "hours", check.hours, "a list of windows, such as [1-5 08:00/18:00 +08:00]", "when it may be asked", "可查询时段",
    example=["1-5 08:00/18:00 +08:00"],
)  # fmt: skip
_NETWORKS = Parameter(
    "networks", check.addresses, "a list of hosts or networks, such as [10.0.0.0/8]", "from where it may be asked",
    "可接入的网络", example=["10.0.0.0/8"],
)  # fmt: skip
_REGIONS = Parameter(
    "regions", check.regions, "a list of regions, such as [CN]", "where it may be used", "使用地域", example=["CN"]
)


def _trial(values: Values) -> Object:
    lasting = need("lasting", "odrl:elapsedTime", "lteq", values["lasting"])
    look = [need("rows", "hefu:outputRows", "lteq", values["rows"]), lasting, count(values)]
    ask = [
        need("epsilon", "hefu:epsilon", "lteq", values["epsilon"]),
        need("budget", "hefu:epsilonBudget", "lteq", values["budget"]),
        need("group", "hefu:minGroup", "gteq", values["min_group"]),
        need("output", "hefu:outputKind", "isAnyOf", "NoisyAggregate", "Histogram"),
        need("try-lasting", "odrl:elapsedTime", "lteq", values["lasting"]),
    ]
    return written(
        [permission("look", PREVIEW, look), permission("try", DP_QUERY, ask)],
        [never("deliver", DELIVER), never("sell", "odrl:sell")],
    )


def _paid(values: Values) -> Object:
    price = need("price", "odrl:payAmount", "eq", values["price"], unit=money(values["currency"]))
    conditions = [*statistics_limits(values), count(values)]
    return written([permission("statistics", DP_QUERY, conditions, duty("pay", COMPENSATE, price))])


def _office(values: Values) -> Object:
    conditions = [
        *statistics_limits(values),
        need("hours", "hefu:timeWindow", "isPartOf", *several(values["hours"])),
        need("network", "hefu:networkAddress", "isAnyOf", *several(values["networks"])),
        need("place", "odrl:spatial", "isPartOf", *several(values["regions"])),
    ]
    return written([permission("statistics", DP_QUERY, conditions)])


ACCESS = (
    made(
        "data-trial",
        (_ROWS, EPSILON, BUDGET, MIN_GROUP, COUNT, _LASTING),
        _trial,
        ("A trial: schema, a synthetic sample and a few private answers", "数据试用：字段、合成样本与少量隐私统计"),
        (
            "For {lasting} from the agreement on: the schema and at most {rows} synthetic rows, at most {count} times, "
            "and differentially private statistics of at most ε = {epsilon} each and ε = {budget} in all, groups "
            "smaller "
            "than {min_group} not being told. Nothing is delivered, and nothing may be sold.",
            "自签约起 {lasting}内：可查看字段与不超过 {rows} 行合成样本，最多 {count} 次；并可查询差分隐私统计，"
            "单次 ε 不超过 {epsilon}，累计 ε 不超过 {budget}，少于 {min_group} 的分组不予发布。不交付任何数据，"
            "不得出售。",
        ),
    ),
    made(
        "paid-per-query",
        (PRICE, CURRENCY, EPSILON, BUDGET, MIN_GROUP, COLUMNS, COUNT, UNTIL),
        _paid,
        ("Private statistics, paid one by one", "按次付费的差分隐私统计"),
        (
            "Differentially private statistics over the columns {columns} at {price} {currency} each, paid beforehand, "
            "at most {count} times, until {until}. Each release costs at most ε = {epsilon}, all together at most ε = "
            "{budget}; groups smaller than {min_group} are not told.",
            "可查询列 {columns} 的差分隐私统计，每次 {price} {currency}，事先支付，最多 {count} 次，截止 {until}。"
            "单次 ε 不超过 {epsilon}，累计 ε 不超过 {budget}；少于 {min_group} 的分组不予发布。",
        ),
    ),
    made(
        "office-hours",
        (_HOURS, _NETWORKS, _REGIONS, EPSILON, BUDGET, MIN_GROUP, COLUMNS, UNTIL),
        _office,
        ("Private statistics in office hours, from known networks", "限办公时段与指定网络的差分隐私统计"),
        (
            "Differentially private statistics over the columns {columns}, within the hours {hours} only, from "
            "{networks} "
            "and used in {regions}, until {until}. Each release costs at most ε = {epsilon}, all together at most ε = "
            "{budget}; groups smaller than {min_group} are not told. What still runs when the hours end is stopped.",
            "仅可在时段 {hours} 内，从 {networks} 接入并在 {regions} 境内使用，查询列 {columns} 的差分隐私统计，"
            "截止 {until}。"
            "单次 ε 不超过 {epsilon}，累计 ε 不超过 {budget}；少于 {min_group} 的分组不予发布。"
            "时段结束时仍在运行的计算即予终止。",
        ),
    ),
)
