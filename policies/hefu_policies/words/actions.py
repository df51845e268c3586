"""The actions of the Hefu profile, one line each: term, what it is included in, where it may stand, labels, when due.

Terms of the W3C's ODRL 2.2 have the prefix ``odrl:``, our own ``hefu:``. ``odrl:use`` stands nowhere in a policy, and
``hefu:compute`` in no permission: they would grant whatever is added below them later.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hefu_policies.words.vocabulary import Action, Phase

USE: Final = "odrl:use"
READ: Final = "odrl:read"
DELETE: Final = "odrl:delete"
INFORM: Final = "odrl:inform"
COMPENSATE: Final = "odrl:compensate"
COMPUTE: Final = "hefu:compute"
DP_QUERY: Final = "hefu:dpQuery"
AGGREGATE_QUERY: Final = "hefu:aggregateQuery"
HE_INFERENCE: Final = "hefu:heInference"
FEDERATED_TRAIN: Final = "hefu:federatedTrain"
FEDERATED_EVALUATE: Final = "hefu:federatedEvaluate"
PSI: Final = "hefu:psi"
MPC_EVALUATE: Final = "hefu:mpcEvaluate"
TEE_EXECUTE: Final = "hefu:teeExecute"
PREVIEW: Final = "hefu:preview"
DELIVER: Final = "hefu:deliver"
DOWNLOAD: Final = "hefu:download"
LOG: Final = "hefu:log"
ATTEST: Final = "hefu:attest"
OBTAIN_APPROVAL: Final = "hefu:obtainApproval"
NOTIFY_DENY: Final = "hefu:notifyDeny"

_RULES: Final = frozenset({"permission", "prohibition"})
_NEVER: Final = frozenset({"prohibition"})
_DUTY: Final = frozenset({"duty", "obligation"})
_ANYWHERE: Final = _RULES | _DUTY
_NONE: Final[frozenset[str]] = frozenset()
_TRANSFER: Final = "odrl:transfer"

ACTIONS: Final[Mapping[str, Action]] = MappingProxyType({
    each.term: each for each in (
        Action(USE, (), _NONE, "use", "使用"),
        # Computations: the data itself is never obtained.
        Action(COMPUTE, (USE,), _NEVER, "have anything computed on the data", "对数据进行任何计算"),
        Action(DP_QUERY, (COMPUTE,), _RULES, "ask differentially private statistics", "查询差分隐私统计"),
        Action(AGGREGATE_QUERY, (COMPUTE,), _RULES, "ask exact statistics without small cells", "查询精确统计"),
        Action(HE_INFERENCE, (COMPUTE,), _RULES, "apply a model to encrypted features", "以密态特征进行模型推理"),
        Action(FEDERATED_TRAIN, (COMPUTE,), _RULES, "train a model in a federation", "联邦训练模型"),
        Action(FEDERATED_EVALUATE, (FEDERATED_TRAIN,), _RULES, "evaluate a model in a federation", "联邦评估模型"),
        Action(PSI, (COMPUTE,), _RULES, "intersect sets privately", "隐私集合求交"),
        Action(MPC_EVALUATE, (COMPUTE,), _RULES, "evaluate a function among several parties", "多方安全计算"),
        Action(TEE_EXECUTE, (COMPUTE,), _RULES, "run an attested program in an enclave", "在可信执行环境中运行程序"),
        Action(PREVIEW, (COMPUTE,), _RULES, "see the schema and a synthetic sample", "查看字段与合成样本"),
        Action("hefu:release", (USE,), _RULES, "hand an output over", "交出计算结果"),
        # Delivered data, and what may be done with it.
        Action(DELIVER, (USE,), _RULES, "have rows or a file delivered", "获取交付的数据行或文件"),
        Action(READ, (USE,), _RULES, "read what was delivered, inside the connector", "在连接器内读取所交付的数据"),
        Action(DOWNLOAD, (USE,), _RULES, "take delivered data out of the connector", "将所交付的数据导出连接器"),
        Action("odrl:play", (USE,), _RULES, "render", "呈现"),
        Action("odrl:display", ("odrl:play",), _RULES, "display", "查看"),
        Action("odrl:distribute", (USE,), _RULES, "distribute", "分发"),
        Action("odrl:reproduce", (USE,), _RULES, "copy", "复制"),
        Action("odrl:transform", (USE,), _RULES, "transform", "转换"),
        Action("odrl:anonymize", (USE,), _ANYWHERE, "anonymise", "匿名化"),
        Action("odrl:grantUse", (USE,), _RULES, "grant use to others", "授权他人使用"),
        Action(_TRANSFER, (), _NONE, "transfer ownership", "转让"),
        Action("odrl:sell", (_TRANSFER,), _RULES, "sell", "出售"),
        # Words of Chinese digital contracts.
        Action("hefu:access", (USE,), _RULES, "access", "访问"),
        Action("hefu:desensitize", (USE,), _ANYWHERE, "mask", "脱敏"),
        Action("hefu:encrypt", (USE,), _ANYWHERE, "encrypt", "加密"),
        Action("hefu:store", (USE,), _RULES, "store", "存储"),
        Action("hefu:process", (USE,), _RULES, "process", "加工"),
        Action("hefu:jointDevelop", (USE,), _RULES, "develop jointly", "联合开发"),
        # Duties.
        Action(DELETE, (USE,), _ANYWHERE, "delete what was delivered", "删除所交付的数据", Phase.POST),
        Action(LOG, (), _DUTY, "record in the journal", "记入日志", Phase.RELEASE),
        Action(INFORM, (USE,), _ANYWHERE, "inform", "通知"),
        Action(NOTIFY_DENY, (INFORM,), _DUTY, "inform of refusals", "通知拒绝情况", Phase.POST),
        Action(ATTEST, (), _DUTY, "present an attestation", "出具证明"),
        Action("odrl:obtainConsent", (USE,), _DUTY, "obtain consent", "取得同意"),
        Action(OBTAIN_APPROVAL, ("odrl:obtainConsent",), _DUTY, "obtain the provider's approval", "取得提供方批准"),
        Action(COMPENSATE, (USE,), _ANYWHERE, "pay", "支付"),
        Action("odrl:attribute", (USE,), _DUTY, "name the source", "注明来源", Phase.POST),
        Action("odrl:nextPolicy", (USE,), _DUTY, "pass the policy on with the result", "将策略随结果传递", Phase.POST),
    )
})  # fmt: skip
