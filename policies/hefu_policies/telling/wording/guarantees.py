"""What may be learnt from each kind of computation, and whether that is bounded by differential privacy.

Every permitted action is named here: whoever signs a contract reads what the permitted answers can reveal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from hefu.errors import Language

from hefu_policies.deciding.policy import Policy, Rule, leaves
from hefu_policies.deciding.rules import is_noised
from hefu_policies.goods.processing import PLAIN_WORDS
from hefu_policies.reading import write_decimal
from hefu_policies.telling.wording.sentences import Pair
from hefu_policies.telling.wording.values import pick
from hefu_policies.words import terms
from hefu_policies.words.terms import DELIVER, DP_QUERY

_NONE: Final[Pair] = ("No differential privacy guarantee. ", "无差分隐私保证。")

# By action: what exact answers can reveal.
_REVEALS: Final[Mapping[str, Pair]] = MappingProxyType({
    "hefu:aggregateQuery": (
        "The figures are exact but for rounding. Small groups are withheld, also from whoever compares several "
        "answers, yet whoever knows most of a group can work out the rest, down to a single unit.",
        "输出为除取整外的精确数值。小分组不予给出，亦不可由多次结果对比得出；但已知组内大部分者，可推知其余，乃至单个个体。",
    ),
    "hefu:heInference": (
        "The side that computes sees ciphertexts only; the side that asks reads each score. Each score tells something "
        "of the person it is about, and of the model: of a linear one, one answer more than it has features rebuilds "
        "it. Each record counts as one release, by whole blocks, also where a number of computations is limited.",
        "计算方只见密文，请求方可得每个评分。每个评分都透露所涉个人与模型的部分信息：对线性模型，答复数比特征数多一个即可还原该模型。"
        "每条记录计一次发布并按整批计，在限定计算次数之处亦然。",
    ),
    "hefu:federatedTrain": (
        "Rows stay where they are and single updates are not seen where they are securely aggregated, yet a trained "
        "model can remember what it was trained on.",
        "数据不出域；在安全聚合下单个更新不可见，但训练所得模型仍可能记住训练数据。",
    ),
    "hefu:federatedEvaluate": (
        "The measures of quality are exact; repeated with models that differ little, they tell about single rows.",
        "评估指标为精确值；以相近模型反复评估，可透露单行信息。",
    ),
    "hefu:psi": (
        "The size of the intersection is exact; where members are released, both sides know for certain that the "
        "other holds them too. A chosen list of candidates is a question about each of them.",
        "交集规模为精确值；若公布成员，双方即确知对方亦持有这些成员。精心选取的名单等于逐一询问。",
    ),
    "hefu:mpcEvaluate": (
        "Nobody sees another's input, but the result is exact: what follows from the result and one's own input is "
        "not hidden.",
        "任何一方均看不到他方输入，但结果为精确值；由结果与自身输入可推知者不受保护。",
    ),
    "hefu:teeExecute": (
        "The program reads plain text inside an attested environment; what leaves is what the program writes, and "
        "whoever allows it must have read it.",
        "程序在经证明的环境内读取明文；输出取决于程序本身，许可前须审阅该程序。",
    ),
    "hefu:preview": (
        "Schema and synthetic rows are shown; the provider declares that they are made without single rows.",
        "仅展示数据结构与合成样例；由提供方声明其不取自单行数据。",
    ),
})  # fmt: skip
_OTHERWISE: Final[Pair] = (
    "What is obtained is exact, and controlled by this contract only.", "所获内容为精确数据，仅受本合约约束。"
)  # fmt: skip


# What is done with data that was delivered.
USES: Final = frozenset({terms.READ, terms.DOWNLOAD, "hefu:release", "odrl:display", "odrl:play"})


def guarantees(policy: Policy, language: Language) -> list[str]:
    """What holds for the answers of a policy, one line an action that it permits."""
    exact = warnings(policy, language)
    private = [
        [rule for rule in policy.permissions if rule.action == DP_QUERY],
        [rule for rule in policy.permissions if is_noised(rule)],
    ]
    return [*(_private(each, language, alone=not exact) for each in private if each), *exact]


def warnings(policy: Policy, language: Language) -> list[str]:
    """What the exact answers and deliveries that a policy permits can reveal."""
    exact = [rule for rule in policy.permissions if rule.action not in (DP_QUERY, *USES) and not is_noised(rule)]
    return list(dict.fromkeys(line for rule in exact for line in _exact(rule, language)))


def _exact(rule: Rule, language: Language) -> list[str]:
    label = _label(rule.action, language)
    if rule.action == DELIVER:
        said = {str(v) for each in leaves(rule) if each.operand.name == "processing" for v in each.values}
        return [label + PLAIN_WORDS[each][language] for each in sorted(said) if each in PLAIN_WORDS]
    return [label + pick(_NONE, language) + pick(_REVEALS.get(rule.action, _OTHERWISE), language)]


def _private(rules: Sequence[Rule], language: Language, *, alone: bool) -> str:
    """The bound of all private answers together: the largest of the budgets, as each of them counts all answers."""
    total, delta = _largest(rules, "epsilonBudget"), _largest(rules, "deltaBudget")
    text = _label(rules[0].action, language) + pick(_BOUNDED if total is None else _FACTOR, language).format(
        epsilon=total, besides=pick(_CHANCE if delta is None else _SMALL, language).format(delta=delta)
    )
    return text if alone else text + pick(_NOT_ALONE, language)


_BOUNDED: Final[Pair] = (
    "Differential privacy for each privacy unit, within the agreement's budget and the asset's lifetime total.",
    "以每个隐私单元计的差分隐私，受合约额度与资产终身额度约束。",
)
_FACTOR: Final[Pair] = (
    "Differential privacy: whether one privacy unit is in the data or not changes the chance of any sequence of "
    "answers under this agreement by a factor of at most e^{epsilon}, whatever else the reader knows{besides}. "
    "Agreements add up, to the asset's lifetime total at most.",
    "差分隐私：某一隐私单元在或不在数据中，本合约下任何一系列答复的概率之比不超过 e^{epsilon}，"
    "与读者另知何事无关{besides}；多份合约相加，以资产终身额度为限。",
)
_SMALL: Final[Pair] = (", but for a chance of {delta}", "（例外概率不超过 {delta}）")
_CHANCE: Final[Pair] = (
    ", but for the chance δ of the agreement's budget where that is not 0", "（合约额度含 δ 的，另有该例外概率）"
)  # fmt: skip
_NOT_ALONE: Final[Pair] = (
    " What is obtained exactly under the same policy is not covered by it.", "同一策略下获得的精确内容不受此保障。"
)  # fmt: skip


def _largest(rules: Sequence[Rule], name: str) -> str | None:
    """The largest limit on an operand; None where a rule sets none."""
    found = []
    for rule in rules:
        limits = [each.values[0] for each in leaves(rule) if each.operand.name == name]
        if not limits:
            return None
        found.append(min(Decimal(str(each)) for each in limits))
    return write_decimal(max(found))


def _label(action: str, language: Language) -> str:
    found = terms.ACTIONS.get(action)
    name = pick((found.en, found.zh), language) if found else action
    return f"{name[:1].upper()}{name[1:]}: " if language == "en" else f"{name}："
