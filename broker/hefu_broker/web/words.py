"""Types of log entries as people say them."""

from __future__ import annotations

_ENTRIES = {
    "agreement": ("an agreement, signed", "合约（签署）"),
    "agreement.finalized": ("an agreement is in force", "合约备案生效"),
    "agreement.terminated": ("an agreement is ended", "合约终止"),
    "agreement.deviated": ("a duty was not kept", "未履行义务"),
    "agreement.fulfilled": ("a duty is fulfilled", "义务已履行"),
    "agreement.resumed": ("an agreement is resumed", "合约恢复"),
    "agreement.suspended": ("an agreement is suspended", "合约中止"),
    "audit.opened": ("a regulator opened a contract's sealed values", "监管方开启合约封存内容"),
    "computation.requested": ("a computation is asked for", "计算请求"),
    "computation.sealed": ("a result is sealed: receipt", "结果封存（回执）"),
    "computation.refused": ("a computation is refused", "计算被拒绝"),
    "computation.failed": ("a computation failed; it stays charged", "计算失败（额度不退）"),
    "delivery.deleted": ("what was delivered is deleted", "交付内容已删除"),
    "delivery.denied": ("a use of what was delivered is denied", "拒绝使用交付内容"),
    "delivery.used": ("what was delivered is used", "使用交付内容"),
    "journal.head": ("a connector's journal, so far", "连接器日志头"),
    "negotiation.endorsed": ("a further party signs", "其他签约方签署"),
    "negotiation.finalized": ("the provider asks for the countersignature", "提供方申请备案"),
    "order.denied": ("a regulator's order is denied", "监管指令被拒绝"),
    "order.lifted": ("a regulator lifts its order", "监管方解除指令"),
    "order.suspended": ("a regulator suspends", "监管方责令中止"),
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
