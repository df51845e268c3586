"""Types of log entries as people say them."""

from __future__ import annotations

_ENTRIES = {
    "agreement": ("an agreement, signed", "合约（签署）"),
    "agreement.finalized": ("an agreement is in force", "合约备案生效"),
    "agreement.terminated": ("an agreement is ended", "合约终止"),
    "computation.requested": ("a computation is asked for", "计算请求"),
    "computation.sealed": ("a result is sealed: receipt", "结果封存（回执）"),
    "computation.refused": ("a computation is refused", "计算被拒绝"),
    "computation.failed": ("a computation failed; it stays charged", "计算失败（额度不退）"),
    "negotiation.requested": ("a contract is asked for", "申请合约"),
    "negotiation.offered": ("terms are offered", "报价"),
    "negotiation.accepted": ("terms are accepted", "接受条款"),
    "negotiation.agreed": ("the provider signs", "提供方签署"),
    "negotiation.verified": ("the consumer signs", "使用方签署"),
    "negotiation.terminated": ("a negotiation is ended", "协商终止"),
    "participant.certified": ("a participant is certified", "参与方认证"),
    "product.published": ("a data product is published", "数据产品发布"),
    "product.retired": ("a data product is listed no longer", "数据产品下架"),
    "space.chartered": ("the space's charter", "空间章程"),
    "status.list": ("who may act: the status list", "参与方状态表"),
    "transport.bound": ("a connector binds its certificate", "连接器绑定证书"),
}


def entry_word(type_: str, language: str) -> str:
    """A type in words; empty for one that has none."""
    found = _ENTRIES.get(type_)
    return "" if found is None else found[language == "zh"]
