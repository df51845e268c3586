"""How the connector's answers look to people and to machines."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any

from hefu.terminal.commands import Cell, Output

from hefu_connector.workbench.tables import number

if TYPE_CHECKING:
    from hefu.v1 import common_pb2, control_pb2

_KINDS = {
    "KIND_ENROLLMENT": ("enrolment", "入网"),
    "KIND_NEGOTIATION": ("negotiation", "协商"),
    "KIND_APPROVAL": ("approval", "审批"),
    "KIND_COMPUTATION": ("computation", "计算"),
    "KIND_OUTBOX": ("outbox", "待上链回执"),
    "KIND_DUTY": ("duty", "义务"),
}
_STATES = {
    "REQUESTED": "已申请", "OFFERED": "已报价", "ACCEPTED": "已接受", "AGREED": "已签约", "VERIFIED": "已核验",
    "FINALIZED": "已备案", "TERMINATED": "已终止", "ACTIVE": "生效中", "EXPIRED": "已到期", "SUSPENDED": "已中止",
    "LISTED": "已上架",
    "RETIRED": "已下架", "RESERVED": "已预扣", "RUNNING": "计算中", "RELEASED": "已发布", "REFUSED": "已拒绝",
    "FAILED": "失败", "CANCELLED": "已取消", "UNSPECIFIED": "等待中",
}  # fmt: skip


def word(output: Output, en: str, zh: str) -> str:
    """One of two words, by the language of the output."""
    return zh if output.language == "zh" else en


def headings(output: Output, *pairs: tuple[str, str]) -> list[str]:
    """The headings of a table in the language of the output."""
    return [word(output, *pair) for pair in pairs]


def state(output: Output, name: str) -> str:
    """A state such as ``STATE_RELEASED`` as a word."""
    bare = name.removeprefix("STATE_")
    return word(output, "waiting" if bare == "UNSPECIFIED" else bare.lower(), _STATES.get(bare, bare))


def epsilon(loss: common_pb2.PrivacyLoss) -> str:
    """ε as people write it; a ρ with its letter."""
    if loss.rho_nano:
        return f"ρ {number(Decimal(loss.rho_nano).scaleb(-9))}"
    return number(Decimal(loss.epsilon_nano).scaleb(-9))


def delta(loss: common_pb2.PrivacyLoss) -> str:
    """δ as people write it; small ones with an exponent."""
    value = Decimal(loss.delta_femto).scaleb(-15).normalize()
    return "0" if not value else f"{value:.3g}"


def loss(amount: common_pb2.PrivacyLoss) -> str:
    """A privacy loss as ``ε 0.5``, or a ρ with the ε that it is worth at a δ of 10⁻⁶."""
    tail = f", δ {delta(amount)}" if amount.delta_femto else ""
    if amount.rho_nano:
        return f"{epsilon(amount)}{tail} {worth(amount.rho_nano)}"
    return f"ε {epsilon(amount)}{tail}"


def worth(rho_nano: int) -> str:
    """What a ρ means to people, in brackets."""
    from hefu_policies.conversion import SHOWN_DELTA_FEMTO, epsilon_of

    told = Decimal(epsilon_of(rho_nano, SHOWN_DELTA_FEMTO)).scaleb(-9)
    return f"(ε {told.quantize(Decimal('0.001'), ROUND_CEILING).normalize():f}, δ 1e-6)"


def when(text: str) -> str:
    """An instant in the zone of the machine, to the minute."""
    if not text:
        return ""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M")


def waiting_cells(output: Output, waiting: control_pb2.Waiting) -> tuple[Cell, ...]:
    """On whom, since when, until when."""
    return (_whom(output, waiting.on), when(waiting.since_time), when(waiting.until_time) or "—")


def waiting_kind(output: Output, waiting: control_pb2.Waiting) -> str:
    """What kind of thing waits."""
    from hefu.v1 import control_pb2

    name = control_pb2.Waiting.Kind.Name(waiting.kind)
    return word(output, *_KINDS.get(name, (name, name)))


def waiting_document(waiting: control_pb2.Waiting) -> dict[str, object]:
    """For machines."""
    from hefu.v1 import control_pb2

    return {
        "kind": control_pb2.Waiting.Kind.Name(waiting.kind).removeprefix("KIND_").lower(),
        "name": waiting.name,
        "on": waiting.on,
        "since": waiting.since_time,
        "until": waiting.until_time or None,
        "count": waiting.count,
    }


def loss_document(amount: common_pb2.PrivacyLoss) -> dict[str, int]:
    """For machines: whole units of 10^-9 and 10^-15; ``rho_nano`` where there is any."""
    found = {"epsilon_nano": amount.epsilon_nano, "delta_femto": amount.delta_femto}
    return found | {"rho_nano": amount.rho_nano} if amount.rho_nano else found


def balance_document(balance: control_pb2.Balance) -> dict[str, Any]:
    """For machines."""
    left = remaining(balance)
    return {
        "account": balance.account,
        "title": balance.title,
        "limit": {**loss_document(balance.limit), "releases": balance.limit_releases},
        "charged": {**loss_document(balance.charged), "releases": balance.charged_releases},
        "remaining": {**loss_document(left[0]), "releases": left[1]},
    }


def remaining(balance: control_pb2.Balance) -> tuple[common_pb2.PrivacyLoss, int]:
    """What may still be spent."""
    from hefu.v1 import common_pb2

    left = common_pb2.PrivacyLoss(
        epsilon_nano=max(0, balance.limit.epsilon_nano - balance.charged.epsilon_nano),
        delta_femto=max(0, balance.limit.delta_femto - balance.charged.delta_femto),
        rho_nano=max(0, balance.limit.rho_nano - balance.charged.rho_nano),
    )
    return left, max(0, balance.limit_releases - balance.charged_releases)


def balance_sentence(output: Output, balance: control_pb2.Balance) -> str:
    """What is spent and what remains, in one line."""
    left, releases = remaining(balance)
    return word(
        output,
        f"spent {loss(balance.charged)} of {loss(balance.limit)}; left {loss(left)} and {releases} releases",
        f"已用 {loss(balance.charged)} / {loss(balance.limit)}；剩余 {loss(left)}，{releases} 次发布",
    )


def _whom(output: Output, whom: str) -> str:
    names = {
        "broker": word(output, "the broker", "平台"),
        "root": word(output, "the holder of the root key", "根密钥持有人"),
        "you": word(output, "you", "您"),
    }
    return names.get(whom, whom)
