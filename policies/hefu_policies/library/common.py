"""Parameters and clauses that several templates share, and the way their texts are filled in."""

from __future__ import annotations

from collections.abc import Callable

from hefu.canonical import Object
from hefu.errors import Language

from hefu_policies.deciding.policy import Condition, Rule
from hefu_policies.library import parameters as check
from hefu_policies.library.parameters import Parameter, Template, Values
from hefu_policies.library.rules import need, never, several
from hefu_policies.library.showing import shown
from hefu_policies.library.statistics import BUDGET, EPSILON, MIN_GROUP
from hefu_policies.words import purposes
from hefu_policies.words.terms import COMPUTE

Words = tuple[str, str]

_DIGEST = "sha256:" + "0" * 64
MODELS = Parameter(
    "models", check.digests, "a list of digests, such as [sha256:… (64 hex digits)]", "models that may be used",
    "可使用的模型", example=[_DIGEST],
)  # fmt: skip
PROGRAMS = Parameter(
    "programs", check.digests, "a list of digests, such as [sha256:… (64 hex digits)]", "programs that may run",
    "可运行的程序", example=[_DIGEST],
)  # fmt: skip
PARTIES = Parameter(
    "parties", check.participants, "a list of participants, such as [hospital-a, hospital-b]", "who may take part",
    "可参与的机构", example=["hospital-a", "hospital-b", "hospital-c"],
)  # fmt: skip
LEAST_PARTIES = Parameter(
    "least_parties", check.several, "a whole number of at least 2, such as 3", "organisations that take part, at least",
    "参与机构数下限", 3,
)  # fmt: skip
ROUNDS = Parameter(
    "rounds", check.whole, "a whole number of at least 1, such as 50", "rounds, at most", "训练轮数上限", 50
)
CLIP = Parameter(
    "clip", check.positive, 'a decimal above 0 as text, such as "1"', "norm of an update, at most", "更新范数上限", "1"
)
KEYS = Parameter(
    "keys", check.names, "a list of column names, such as [person_id]", "columns that are matched on", "匹配键",
    example=["person_id"],
)  # fmt: skip
KEEP = Parameter(
    "keep", check.length, "a length of time such as P30D or PT12H", "how long what was received may be kept",
    "所获数据的保存期限", "P30D",
)  # fmt: skip
ROUNDING = Parameter(
    "rounding", check.positive, 'a decimal above 0 as text, such as "5"', "step that figures are rounded to",
    "取整步长",
    "5",
)  # fmt: skip
BITS = Parameter(
    "bits", check.whole, "a whole number of at least 1, such as 128", "bits of security, at least", "密码强度下限", 128
)
PER_DAY = Parameter(
    "per_day",
    check.whole,
    "a whole number of at least 1, such as 20",
    "computations a day, at most",
    "每日次数上限",
    20,
)


def statistics_limits(values: Values) -> list[Condition]:
    """A cap on each release and on all, listed columns, a smallest group and an end."""
    return [
        need("epsilon", "hefu:epsilon", "lteq", values[EPSILON.name]),
        need("budget", "hefu:epsilonBudget", "lteq", values[BUDGET.name]),
        need("group", "hefu:minGroup", "gteq", values[MIN_GROUP.name]),
        columns(values),
        need("output", "hefu:outputKind", "isAnyOf", "NoisyAggregate", "Histogram"),
        until(values),
    ]


def columns(values: Values) -> Condition:
    """No columns but those listed."""
    return need("columns", "hefu:column", "isPartOf", *several(values["columns"]))


def until(values: Values) -> Condition:
    """Before the end."""
    return need("until", "odrl:dateTime", "lt", values["until"])


def count(values: Values) -> Condition:
    """So many times and no more."""
    return need("count", "odrl:count", "lteq", values["count"])


def goal(values: Values) -> Condition:
    """The purpose, or a kind of it."""
    return need("purpose", "odrl:purpose", "isA", values["purpose"])


def no_commerce(values: Values) -> list[Rule]:
    """Commercial purposes are prohibited, unless the purpose agreed on is one itself."""
    if "dpv:CommercialPurpose" in purposes.LINEAGE[str(values["purpose"])]:
        return []
    commercial = need("commercial", "odrl:purpose", "isA", "dpv:CommercialPurpose")
    return [never("commercial", COMPUTE, commercial)]


def made(name: str, parameters: tuple[Parameter, ...], rules: Callable[[Values], Object], title: Words, head: Words,
         tail: Callable[[Values], Words] | None = None) -> Template:  # fmt: skip
    """A template whose text is a sentence with the parameters in braces, and perhaps another that depends on them."""

    def text(values: Values, language: Language) -> str:
        at = int(language == "zh")
        return head[at].format(**shown(parameters, values, language)) + (tail(values)[at] if tail is not None else "")

    return Template(name, parameters, rules, text, *title)
