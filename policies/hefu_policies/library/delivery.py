"""Templates for deliveries: rows raw, masked, sampled or anonymised, or a whole file.

All permit `hefu:deliver` with one named processing, and reading inside the consumer's connector; taking the data out
of it only where `export` says so. All demand the log and oblige the consumer to delete.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hefu.canonical import Json, Object
from hefu.errors import Language

from hefu_policies.goods.processing import PLAIN_WORDS
from hefu_policies.library.parameters import (
    Parameter,
    Template,
    Values,
    concepts,
    constraint,
    flag,
    length,
    several,
    share,
    typed,
    whole,
)  # fmt: skip
from hefu_policies.library.showing import shown
from hefu_policies.library.statistics import COLUMNS, COUNT, PURPOSE, UNTIL
from hefu_policies.words.terms import (
    ANONYMISED,
    DELETE,
    DELIVER,
    DOWNLOAD,
    FILE,
    LOG,
    MASKED,
    RAW,
    READ,
    ROWS,
    SAMPLED,
    Kind,
)  # fmt: skip

_ROWS = Parameter(
    "rows", whole, "a whole number of at least 1, such as 1000", "rows of one delivery, at most", "单次交付行数上限",
    example=1000,
)  # fmt: skip
_KEEP = Parameter(
    "keep", length, "a length of time such as P30D or PT12H", "how long it may be kept", "保存期限", "P30D"
)
_EXPORT = Parameter(
    "export", flag, "true or false, such as false", "whether it may leave the connector", "是否可导出连接器", False
)
_SHARE = Parameter(
    "share", share, 'a decimal above 0 and at most 1 as text, such as "0.1"', "share of the units, at most",
    "隐私单元比例上限", example="0.1",
)  # fmt: skip
_GROUP = Parameter(
    "min_group", several, "a whole number of at least 2, such as 5", "smallest group of indistinguishable units (k)",
    "不可区分个体的最小分组（k）", 5,
)  # fmt: skip

_PARAMETERS = (PURPOSE, COLUMNS, COUNT, UNTIL, _ROWS, _KEEP, _SHARE, _GROUP)


def _rules(processing: str, kind: str, values: Values) -> Object:
    goal: Json = {"@id": str(values["purpose"])}
    until = typed(values["until"], Kind.TIME)
    delivering: list[Json] = [
        constraint("purpose", "odrl:purpose", "isA", goal),
        constraint("processing", "hefu:processing", "isAnyOf", concepts([f"hefu:{processing}"])),
        constraint("output", "hefu:outputKind", "isAnyOf", concepts([f"hefu:{kind}"])),
        constraint("columns", "hefu:column", "isPartOf", values["columns"]),
        constraint("count", "odrl:count", "lteq", typed(values["count"], Kind.INTEGER)),
        constraint("until", "odrl:dateTime", "lt", until),
    ]
    if "rows" in values:
        delivering.append(constraint("rows", "hefu:outputRows", "lteq", typed(values["rows"], Kind.INTEGER)))
    if "share" in values:
        delivering.append(constraint("share", "hefu:share", "lteq", typed(values["share"], Kind.DECIMAL)))
    if "min_group" in values:
        delivering.append(constraint("group", "hefu:minGroup", "gteq", typed(values["min_group"], Kind.INTEGER)))
    permissions = [_permission("deliver", DELIVER, delivering), _use("read", READ, goal, until)]
    prohibitions: list[Json] = [{"@id": "urn:no:distribute", "action": "odrl:distribute"}]
    if values["export"] is True:
        permissions.append(_use("export", DOWNLOAD, goal, until))
    else:
        prohibitions.append({"@id": "urn:no:export", "action": DOWNLOAD})
    keep = constraint("keep", "hefu:retention", "lteq", typed(values["keep"], Kind.DURATION))
    return {
        "permission": [*permissions],
        "prohibition": prohibitions,
        "obligation": [{"@id": "urn:must:delete", "action": DELETE, "constraint": [keep]}],
    }


def _use(name: str, action: str, goal: Json, until: Json) -> Object:
    return _permission(
        name,
        action,
        [
            constraint(f"{name}-purpose", "odrl:purpose", "isA", goal),
            constraint(f"{name}-until", "odrl:dateTime", "lt", until),
        ],
    )


def _permission(name: str, action: str, constraints: list[Json]) -> Object:
    duty: Json = {"@id": f"urn:d:{name}-log", "action": LOG}
    return {"@id": f"urn:rule:{name}", "action": action, "constraint": constraints, "duty": [duty]}


_HEADS: dict[str, tuple[str, str]] = {
    RAW: ("At most {rows} rows as they are", "至多 {rows} 行原始数据"),
    MASKED: ("At most {rows} masked rows", "至多 {rows} 行脱敏数据"),
    SAMPLED: (
        "At most {rows} rows of at most the share {share} of the units",
        "至多 {rows} 行，抽样比例不超过 {share}",
    ),
    ANONYMISED: ("At most {rows} anonymised rows with k = {min_group}", "至多 {rows} 行匿名化数据，k = {min_group}"),
    FILE: ("The whole file as it is", "完整的原始文件"),
}
_TAIL = (
    ", the columns {columns}, for {purpose}, at most {count} times, until {until}. Kept for {keep} at the longest, "
    "then deleted with a signed proof; used inside the consumer's connector only{export}. Every delivery and use is "
    "logged. ",
    "，列为 {columns}，用途为{purpose}，最多 {count} 次，截止 {until}。最长保存 {keep}，到期删除并出具签名证明；"
    "仅可在使用方连接器内使用{export}。每次交付与使用均记入日志。",
)
_EXPORTS = (", from which it may be exported", "，并允许导出")


def _text(word: str, processing: str, values: Values, language: Language) -> str:
    at = int(language == "zh")
    words = shown((each for each in _PARAMETERS if each.name in values), values, language)
    words["export"] = _EXPORTS[at] if values["export"] is True else ""
    return (_HEADS[word][at] + _TAIL[at]).format(**words) + PLAIN_WORDS[processing][language]


def _template(name: str, processing: str, extra: tuple[Parameter, ...], en: str, zh: str) -> Template:
    rules: Callable[[Values], Object] = partial(_rules, processing, FILE if name == "delivery-file" else ROWS)
    text = partial(_text, FILE if name == "delivery-file" else processing, processing)
    return Template(name, (PURPOSE, COLUMNS, *extra, COUNT, UNTIL, _KEEP, _EXPORT), rules, text, en, zh)


DELIVERIES = (
    _template("delivery-masked", MASKED, (_ROWS,), "Rows with pseudonyms and coarse details", "脱敏数据行"),
    _template("delivery-sampled", SAMPLED, (_ROWS, _SHARE), "Rows of a sample of the units", "抽样数据行"),
    _template(
        "delivery-anonymised", ANONYMISED, (_ROWS, _GROUP), "Rows in which nobody stands alone (k-anonymity)",
        "匿名化数据行（k-匿名）",
    ),
    _template("delivery-raw", RAW, (_ROWS,), "Rows as they are", "原始数据行"),
    _template("delivery-file", RAW, (), "A whole file as it is", "完整的原始文件"),
)  # fmt: skip
