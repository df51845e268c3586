"""Templates for federated learning: training among organisations, and judging a model."""

from __future__ import annotations

from hefu.canonical import Object

from hefu_policies.library import parameters as check
from hefu_policies.library.common import (
    CLIP,
    KEEP,
    LEAST_PARTIES,
    MODELS,
    PARTIES,
    PROGRAMS,
    ROUNDS,
    columns,
    count,
    goal,
    made,
    no_commerce,
    until,
)  # fmt: skip
from hefu_policies.library.parameters import Parameter, Values
from hefu_policies.library.rules import duty, need, never, permission, several, written
from hefu_policies.library.statistics import COLUMNS, COUNT, MIN_GROUP, PURPOSE, UNTIL
from hefu_policies.words.terms import (
    DELETE,
    DELIVER,
    FEDERATED_EVALUATE,
    FEDERATED_TRAIN,
    OBTAIN_APPROVAL,
)  # fmt: skip

_INTERVAL = Parameter(
    "interval", check.length, "a length of time such as PT1H", "time between two evaluations, at least",
    "两次评估的间隔",
    "PT1H",
)  # fmt: skip


def _training(values: Values) -> Object:
    conditions = [
        goal(values),
        need("program", "hefu:program", "isAnyOf", *several(values["programs"])),
        need("only", "hefu:counterparty", "isPartOf", *several(values["parties"])),
        need("parties", "hefu:minParties", "gteq", values["least_parties"]),
        need("summed", "hefu:secureAggregation", "eq", "true"),
        need("rounds", "hefu:rounds", "lteq", values["rounds"]),
        need("clip", "hefu:clipNorm", "lteq", values["clip"]),
        columns(values),
        need("output", "hefu:outputKind", "isAnyOf", "ModelUpdate", "ModelWeights"),
        count(values),
        until(values),
    ]
    keep = need("keep", "hefu:retention", "lteq", values["keep"])
    return written(
        [permission("train", FEDERATED_TRAIN, conditions, duty("approval", OBTAIN_APPROVAL))],
        [*no_commerce(values), never("deliver", DELIVER)],
        [duty("delete", DELETE, keep)],
    )


def _evaluation(values: Values) -> Object:
    conditions = [
        goal(values),
        need("model", "hefu:model", "isAnyOf", *several(values["models"])),
        need("group", "hefu:minGroup", "gteq", values["min_group"]),
        need("interval", "odrl:timeInterval", "gteq", values["interval"]),
        columns(values),
        need("output", "hefu:outputKind", "eq", "Metrics"),
        count(values),
        until(values),
    ]
    return written([permission("evaluate", FEDERATED_EVALUATE, conditions)], [never("deliver", DELIVER)])


def _commerce(values: Values) -> tuple[str, str]:
    return (" Commercial purposes are prohibited.", "禁止用于商业目的。") if no_commerce(values) else ("", "")


FEDERATED = (
    made(
        "federated-training",
        (PURPOSE, PROGRAMS, PARTIES, LEAST_PARTIES, ROUNDS, CLIP, COLUMNS, COUNT, UNTIL, KEEP),
        _training,
        ("Training a model among hospitals or other organisations", "医院等多机构联邦训练"),
        (
            "At least {least_parties} of {parties} may train a model together with the programs {programs}, on the "
            "columns {columns}, for {purpose}: at most {count} trainings of at most {rounds} rounds each, until "
            "{until}. "
            "Rows stay in each organisation; updates are clipped to a norm of {clip} and summed so that nobody sees a "
            "single one. A person of the provider approves before it begins. Updates are deleted after {keep} at the "
            "latest.",
            "{parties} 中至少 {least_parties} 家机构可使用程序 {programs} 在列 {columns} 上联合训练模型，"
            "用途为{purpose}："
            "最多 {count} 次训练，每次不超过 {rounds} 轮，截止 {until}。数据行不出机构；更新裁剪至范数 {clip} "
            "并经安全聚合，"
            "任何一方均看不到单个更新。训练开始前须经提供方人员批准。更新最长保存 {keep}，到期删除。",
        ),
        _commerce,
    ),
    made(
        "federated-evaluation",
        (PURPOSE, MODELS, MIN_GROUP, _INTERVAL, COLUMNS, COUNT, UNTIL),
        _evaluation,
        ("Judging a model on data that stays where it is", "联邦评估模型"),
        (
            "The models {models} may be judged on the columns {columns}, for {purpose}, at most {count} times with at "
            "least {interval} between, until {until}. Only measures of quality over at least {min_group} units leave. "
            "Training is not permitted.",
            "可在列 {columns} 上评估模型 {models}，用途为{purpose}，最多 {count} 次，间隔不少于 {interval}，截止 "
            "{until}。"
            "仅输出至少涉及 {min_group} 个单元的评估指标。不允许训练。",
        ),
    ),
)
