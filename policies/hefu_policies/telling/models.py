"""What the answers of a served model tell of it, in plain words, for whoever offers it and whoever asks.

Weights are hidden by encryption, and given away by answers: a score is one equation in the weights. Nobody can see how
many of a ciphertext's places are filled, nor with what, so a whole block of answers is charged and a single one is
enough. What is left to decide is whom one gives a block at all, and that is said in so many words.

Source: Tramèr, Zhang, Juels, Reiter, Ristenpart 2016, "Stealing Machine Learning Models via Prediction APIs", section 4
(equations of linear and logistic models; a search along a line where labels alone are told).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hefu.errors import Language

from hefu_policies.goods.product import Offer
from hefu_policies.goods.resource import Resource
from hefu_policies.goods.served import DECISION, IDENTITY, LOGISTIC, RANKING, Served
from hefu_policies.reading import write_decimal
from hefu_policies.telling.wording.sentences import Pair
from hefu_policies.telling.wording.values import pick

_HALVINGS: Final = 10  # of a feature's range: its weight to a part in a thousand

_HIDDEN: Final[Pair] = (
    "The provider computes on ciphertexts: it learns how many records are asked about and when, and no value of them. "
    "The consumer learns the answers, and of the weights what follows from them.",
    "提供方仅对密文计算：只知所问记录的数量与时间，不知任何取值。使用方得到答复，以及由答复可推知的模型权重。",
)
_TOLERANCE: Final[Pair] = (
    "An answer is within {tolerance} of the plain model's, on a grid of {step}. The provider itself adds noise of at "
    "most a quarter of that step to each; rounding to the grid is done by the consumer's connector and binds no other "
    "program. Asked again and again about one record, noise averages out.",
    "答复与明文模型的偏差不超过 {tolerance}，按 {step} 取整。提供方对每个答复另加不超过步长四分之一的噪声；"
    "取整由使用方连接器完成，不约束其他程序。就同一记录反复提问，噪声会被平均掉。",
)
_ORDER: Final[Pair] = (
    "Answers of one request are in the order of the plain model's scores, but that records whose scores are nearer "
    "than {tolerance} may change places. The provider itself adds noise of at most a quarter of the step of {step}.",
    "同一请求内各答复的次序与明文模型得分一致，得分相差不足 {tolerance} 者次序可能互换。"
    "提供方对每个答复另加不超过步长 {step} 四分之一的噪声。",
)
_REBUILDS: Final[dict[str, Pair]] = {
    IDENTITY: (
        "{k} features: {n} answers on records of one's own choice are as many equations as there are unknowns, and "
        "give every weight and the intercept.",
        "共 {k} 个特征：就自选记录得到 {n} 个答复，方程数即等于未知数个数，可解出全部权重与截距。",
    ),
    LOGISTIC: (
        "{k} features: the logistic curve can be undone, so {n} answers on records of one's own choice give every "
        "weight and the intercept as those of a linear model do.",
        "共 {k} 个特征：逻辑曲线可以反解，因此就自选记录得到 {n} 个答复，即可如线性模型一样解出全部权重与截距。",
    ),
    RANKING: (
        "{k} features: each request is scaled and shifted anew, so the size of a score and the intercept stay hidden; "
        "yet {n} answers in one request give all weights in proportion to each other.",
        "共 {k} 个特征：每次请求均重新缩放与平移，得分大小与截距不被透露；"
        "但同一请求内的 {n} 个答复即可解出各权重之间的比例。",
    ),
    DECISION: (
        "{k} features: an answer tells one bit, on which side of the boundary a record is; about {n} answers on "
        "records of one's own choice find the boundary to a part in a thousand.",
        "共 {k} 个特征：每个答复只含一比特，即记录在界线的哪一侧；"
        "就自选记录得到约 {n} 个答复，即可将界线定位到千分之一。",
    ),
}
_UNSEEN: Final[Pair] = (
    "Nobody sees what is encrypted: a consumer that keeps no rules can fill all {places} places of a block while it "
    "says that there is one record, and can take values far outside the ranges, which tell the weights more precisely "
    "than grid and noise would let. So every block that is begun is charged whole, as {places} records, and {blocks} "
    "of them is enough to rebuild the model as said above.",
    "密文内容无人可见：不守规则的使用方可以声称只有一条记录而填满一批的 {places} 个位置，也可以填入远超取值范围的数值，"
    "从而得到比取整步长与噪声所限更精确的权重。因此每开始一批即按整批 {places} 条记录计，"
    "{blocks} 批即足以按上述方式还原模型。",
)
_BOUND: Final[Pair] = (
    "What bounds it: all consumers together are answered {lifetime} records, for ever; {outcome}.",
    "其上限：对所有使用方合计永久至多答复 {lifetime} 条记录；{outcome}。",
)
_OFFER: Final[Pair] = (
    "A contract by offer {offer} answers {releases} records at most; {outcome}.",
    "按报价 {offer} 签订的一份合约至多答复 {releases} 条记录；{outcome}。",
)
_ENOUGH: Final[Pair] = (
    "that is enough to rebuild the model, and only trust in the consumer, price, purpose and the contract's law stand "
    "against it",
    "该数量足以还原模型，对此仅有对使用方的信任、价格、目的与合约的法律约束",
)
_TOO_FEW: Final[Pair] = (
    "that is too little to rebuild the model by answers alone",
    "仅凭答复尚不足以还原模型",
)
_NOTHING: Final[Pair] = (
    "that is less than one block of {places}, so nothing is answered",
    "不足一批（{places} 条），因此不予答复",
)


def answers_that_rebuild(resource: Resource) -> int:
    """How many answers are enough to rebuild a model, as far as its kind of answer lets it be rebuilt."""
    features = len(resource.schema)
    return features * _HALVINGS if _served(resource).answer == DECISION else features + 1


def releases_that_rebuild(resource: Resource) -> int:
    """How many releases those answers are charged: of whole blocks."""
    places = _served(resource).places
    return -(-answers_that_rebuild(resource) // places) * places


def disclosure(resource: Resource, offers: Sequence[Offer], language: Language) -> list[str]:
    """What the answers of a served model tell, and what bounds them; nothing where the resource is no model."""
    if resource.model is None:
        return []
    served, lifetime = resource.model, resource.privacy.lifetime.releases
    blocks = releases_that_rebuild(resource) // served.places
    return [
        pick(_HIDDEN, language),
        _nearness(served, language),
        pick(_REBUILDS[served.answer], language).format(k=len(resource.schema), n=answers_that_rebuild(resource)),
        pick(_UNSEEN, language).format(places=served.places, blocks=_number(blocks, language)),
        pick(_BOUND, language).format(lifetime=lifetime, outcome=_outcome(lifetime, resource, language)),
        *(
            pick(_OFFER, language).format(
                offer=each.id,
                releases=each.budget.releases,
                outcome=_outcome(min(lifetime, each.budget.releases), resource, language),
            )
            for each in offers
        ),
    ]


def _nearness(served: Served, language: Language) -> str:
    # A ranking's slope is at least a half, and two answers are compared.
    said, factor = (_ORDER, 4) if served.answer == RANKING else (_TOLERANCE, 1)
    tolerance, step = write_decimal(served.tolerance * factor), write_decimal(served.step)
    return pick(said, language).format(tolerance=tolerance, step=step)


def _served(resource: Resource) -> Served:
    if resource.model is None:
        raise ValueError(resource.id)
    return resource.model


def _outcome(releases: int, resource: Resource, language: Language) -> str:
    places = _served(resource).places
    if releases < places:
        return pick(_NOTHING, language).format(places=places)
    return pick(_ENOUGH if releases // places * places >= releases_that_rebuild(resource) else _TOO_FEW, language)


def _number(blocks: int, language: Language) -> str:
    return "one" if blocks == 1 and language == "en" else str(blocks)
