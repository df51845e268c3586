"""What every constraint says, as half a sentence in English and in Chinese.

Each reads as a condition: after "if all of these hold" in a permission, after "where" in a prohibition. An operand or
operator without a line of its own is put in words by its label (`hefu_policies.telling.wording.conditions`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

Pair = tuple[str, str]

# By the operand's name and the operator; {v} stands for the values.
CONDITIONS: Final[Mapping[tuple[str, str], Pair]] = MappingProxyType({
    ("purpose", "isA"): ("the purpose is {v}, or a kind of it", "用途为{v}（含其下位用途）"),
    ("purpose", "isAnyOf"): ("the purpose is one of {v}, or a kind of them", "用途为以下之一（含其下位用途）：{v}"),
    ("purpose", "isNoneOf"): ("the purpose is anything but {v}, or kinds of that", "用途不属于：{v}"),
    ("operation", "eq"): ("the operation is to {v}", "操作为：{v}"),
    ("operation", "isAnyOf"): ("the operation is one of: {v}", "操作为以下之一：{v}"),
    ("program", "eq"): ("exactly the program with the digest {v} runs", "所运行程序的摘要恰为 {v}"),
    ("program", "isAnyOf"): ("only programs with these digests run: {v}", "仅运行摘要为以下之一的程序：{v}"),
    ("model", "eq"): ("exactly the model with the digest {v} is used", "所用模型的摘要恰为 {v}"),
    ("model", "isAnyOf"): ("only models with these digests are used: {v}", "仅使用摘要为以下之一的模型：{v}"),
    ("programSigner", "isAnyOf"): ("the program is signed by {v}", "程序由 {v} 签名"),
    ("epsilon", "lteq"): ("each release costs at most ε = {v}", "单次发布的 ε 不超过 {v}"),
    ("delta", "lteq"): ("each release costs at most δ = {v}", "单次发布的 δ 不超过 {v}"),
    ("rho", "lteq"): ("each release costs at most ρ = {v}", "单次发布的 ρ 不超过 {v}"),
    ("epsilonBudget", "lteq"): (
        "all releases under this agreement together cost at most ε = {v}", "本合约下全部发布累计 ε 不超过 {v}",
    ),
    ("deltaBudget", "lteq"): (
        "all releases under this agreement together cost at most δ = {v}", "本合约下全部发布累计 δ 不超过 {v}",
    ),
    ("rhoBudget", "lteq"): (
        "all releases under this agreement together cost at most ρ = {v}", "本合约下全部发布累计 ρ 不超过 {v}",
    ),
    ("privacyUnit", "eq"): ("privacy is counted for each {v}", "隐私以每个 {v} 为单元计量"),
    ("neighbouring", "eq"): ("privacy is counted by the neighbouring relation {v}", "隐私按相邻关系 {v} 计量"),
    ("maxContribution", "lteq"): (
        "one privacy unit counts in at most {v} rows", "每个隐私单元至多计入 {v} 行",
    ),
    ("minGroup", "gteq"): (
        "nothing is told about fewer than {v} privacy units together",
        "任何输出单元至少代表 {v} 个隐私单元，不足者不予发布",
    ),
    ("rounding", "gteq"): ("figures are rounded to steps of at least {v}", "数值按不小于 {v} 的步长取整"),
    ("column", "isPartOf"): (
        "no other columns are used than {v}, in filters, groups and order neither",
        "除 {v} 外不使用其他列，筛选、分组与排序亦然",
    ),
    ("column", "isNoneOf"): (
        "none of the columns {v} is used, not even in a filter", "不使用列 {v}，筛选中亦不使用",
    ),
    ("joinKey", "isPartOf"): ("tables are matched on {v} only", "仅以 {v} 作为匹配键"),
    ("function", "isPartOf"): ("no other functions are used than {v}", "除 {v} 外不使用其他函数"),
    ("rowFilter", "eq"): ("exactly the agreed filter of rows is applied ({v})", "恰好应用约定的行筛选条件（{v}）"),
    ("inputRows", "lteq"): ("at most {v} rows are read", "读取不超过 {v} 行"),
    ("absoluteSize", "lteq"): ("at most {v} bytes are read", "读取不超过 {v} 字节"),
    ("outputKind", "eq"): ("what comes out is {v}", "输出为{v}"),
    ("outputKind", "isAnyOf"): ("what comes out is one of: {v}", "输出为以下之一：{v}"),
    ("outputRows", "lteq"): ("at most {v} rows come out", "输出不超过 {v} 行"),
    ("outputBytes", "lteq"): ("at most {v} bytes come out", "输出不超过 {v} 字节"),
    ("recipient", "eq"): ("the result goes to {v} and nobody else", "结果仅发送至 {v}"),
    ("recipient", "isAnyOf"): ("the result goes to one of {v}", "结果仅发送至以下之一：{v}"),
    ("counterparty", "isPartOf"): ("nobody takes part but {v}", "除 {v} 外无人参与"),
    ("counterparty", "isAllOf"): ("all of {v} take part", "{v} 全部参与"),
    ("minParties", "gteq"): ("at least {v} organisations take part", "至少 {v} 家机构参与"),
    ("collusionThreshold", "gteq"): (
        "inputs stay hidden even if {v} parties pool what they see", "即使 {v} 方串通，输入仍不被知悉",
    ),
    ("rounds", "lteq"): ("there are at most {v} rounds", "不超过 {v} 轮"),
    ("clipNorm", "lteq"): ("updates are clipped to a norm of at most {v}", "更新量裁剪至范数不超过 {v}"),
    ("secureAggregation", "eq:true"): (
        "updates are summed so that nobody sees a single one", "更新经安全聚合，任何一方均看不到单个更新",
    ),
    ("secureAggregation", "eq:false"): ("updates are not securely aggregated", "更新未经安全聚合"),
    ("securityBits", "gteq"): ("the cryptography gives at least {v} bits of security", "密码强度不低于 {v} 比特"),
    ("protocol", "isAnyOf"): ("the protocol is one of {v}", "协议为以下之一：{v}"),
    ("dateTime", "lt"): ("it is before {v}", "在 {v} 之前"),
    ("dateTime", "lteq"): ("it is not after {v}", "不晚于 {v}"),
    ("dateTime", "gt"): ("it is after {v}", "在 {v} 之后"),
    ("dateTime", "gteq"): ("it is not before {v}", "不早于 {v}"),
    ("timeWindow", "isPartOf"): ("it is within these hours: {v}", "在以下时段内：{v}"),
    ("elapsedTime", "lteq"): ("no more than {v} have passed since the agreement began", "自合约生效起不超过 {v}"),
    ("meteredTime", "lteq"): ("no more than {v} of computing time are used in all", "累计计算时长不超过 {v}"),
    ("timeInterval", "gteq"): ("two uses are at least {v} apart", "两次使用之间至少间隔 {v}"),
    ("count", "lteq"): ("computations in all, this one included, are at most {v}", "累计不超过 {v} 次（含本次）"),
    ("frequency", "lteq"): ("there are at most {v} computations in each {unit}", "每{unit}不超过 {v} 次"),
    ("payAmount", "lteq"): ("the price is at most {v} {unit}", "价格不超过 {v} {unit}"),
    ("payAmount", "eq"): ("the price is {v} {unit}", "价格为 {v} {unit}"),
    ("spatial", "isPartOf"): ("the use takes place in {v}", "使用地点在 {v} 境内"),
    ("spatial", "isNoneOf"): ("the use does not take place in {v}", "使用地点不在 {v}"),
    ("jurisdiction", "isPartOf"): ("the other party is under the law of {v}", "对方受 {v} 法律管辖"),
    ("jurisdiction", "isNoneOf"): ("the other party is not under the law of {v}", "对方不受 {v} 法律管辖"),
    ("networkAddress", "isAnyOf"): ("the request comes from {v}", "请求来自 {v}"),
    ("physicalAddress", "isAnyOf"): ("it runs on one of the machines {v}", "在以下设备之一上运行：{v}"),
    ("environment", "eq"): ("it runs in {v}", "在{v}中运行"),
    ("environment", "isAnyOf"): ("it runs in one of: {v}", "在以下环境之一中运行：{v}"),
    ("encryptMode", "eq"): ("the data is handled as {v}", "数据以{v}处理"),
    ("encryptMode", "isAnyOf"): ("the data is handled as one of: {v}", "数据以下列方式之一处理：{v}"),
    ("deliveryChannel", "eq"): ("the result is handed over by {v}", "结果通过{v}交付"),
    ("deliveryChannel", "isAnyOf"): ("the result is handed over by one of: {v}", "结果通过以下方式之一交付：{v}"),
    ("securityLevel", "gteq"): ("the other party has at least the security level {v}", "对方安全等级不低于 {v}"),
    ("attestation", "isAnyOf"): ("the environment proves by attestation: {v}", "运行环境经远程证明：{v}"),
    ("systemDevice", "eq"): ("it runs on the device {v}", "在设备 {v} 上运行"),
    ("systemDevice", "isAnyOf"): ("it runs on one of the devices {v}", "在以下设备之一上运行：{v}"),
    ("connector", "eq"): ("it is asked through the connector {v}", "经由连接器 {v} 提出"),
    ("connector", "isAnyOf"): ("it is asked through one of the connectors {v}", "经由以下连接器之一提出：{v}"),
    ("credential", "eq"): ("the other party holds the credential {v}", "对方持有凭证 {v}"),
    ("credential", "isAnyOf"): ("the other party holds one of the credentials {v}", "对方持有以下凭证之一：{v}"),
    ("industry", "isAnyOf"): ("the other party is of the industry {v}", "对方所属行业为 {v}"),
    ("industry", "isNoneOf"): ("the other party is not of the industry {v}", "对方不属于行业 {v}"),
    ("role", "isAnyOf"): ("the other party is registered as {v}", "对方登记的角色为 {v}"),
    ("role", "isNoneOf"): ("the other party is not registered as {v}", "对方登记的角色不是 {v}"),
    ("dataClassification", "isAnyOf"): ("the data is classified as {v}", "数据分类为 {v}"),
    ("dataClassification", "isNoneOf"): ("the data is not classified as {v}", "数据分类不是 {v}"),
    ("event", "lt"): ("it is before the use", "在使用之前"),
    ("event", "gteq"): ("it is the time of the use, or later", "在使用之时或之后"),
    ("event", "gt"): ("the use has taken place", "在使用之后"),
    ("processing", "eq"): ("the rows are delivered {v}", "数据行以{v}方式交付"),
    ("processing", "isAnyOf"): ("the rows are delivered {v}", "数据行以{v}方式交付"),
    ("share", "lteq"): (
        "at most the share {v} of the privacy units is delivered", "交付的隐私单元比例不超过 {v}",
    ),
})  # fmt: skip

# How a duty is performed: by the operand's name.
MANNERS: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        "payAmount": ("{v} {unit}", "{v} {unit}"),
        "event": ("after the use", "使用后"),
        "deadline": ("by {v}", "最迟于 {v}"),
        "retention": ("within {v}", "于 {v}内"),
        "delayPeriod": ("within {v} of the use", "于使用后 {v}内"),
        "recipient": ("addressed to {v}", "对象为 {v}"),
        "logLevel": ("{v}", "范围为{v}"),
    }
)

# A duty with the one thing that says most about how it is performed: by its action and the operand's name.
PHRASES: Final[Mapping[tuple[str, str], Pair]] = MappingProxyType({
    ("odrl:compensate", "payAmount"): ("pay {v} {unit}", "支付 {v} {unit}"),
    ("odrl:inform", "recipient"): ("inform {v}", "告知 {v}"),
    ("odrl:delete", "retention"): (
        "delete what was received within {v} of receiving it, with a signed proof",
        "在收到后 {v}内删除所获数据并出具签名证明",
    ),
    ("odrl:delete", "deadline"): (
        "delete what was received by {v}, with a signed proof", "最迟于 {v} 删除所获数据并出具签名证明",
    ),
})  # fmt: skip

# When a duty of a permission is due, by phase.
TIMES: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        "admission": ("before it begins", "开始之前"),
        "monitor": ("while it runs", "运行期间"),
        "release": ("before anything leaves", "发布之前"),
        "post": ("after the use", "使用之后"),
    }
)

# An operator by itself, for operands without a line of their own.
OPERATORS: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        "eq": ("is {v}", "为 {v}"),
        "neq": ("is not {v}", "不为 {v}"),
        "lt": ("is below {v}", "小于 {v}"),
        "lteq": ("is at most {v}", "不超过 {v}"),
        "gt": ("is above {v}", "大于 {v}"),
        "gteq": ("is at least {v}", "不低于 {v}"),
        "isA": ("is a kind of {v}", "属于 {v}"),
        "isAnyOf": ("is one of {v}", "为以下之一：{v}"),
        "isNoneOf": ("is none of {v}", "不为以下任何一项：{v}"),
        "isAllOf": ("has all of {v}", "包含全部：{v}"),
        "hasPart": ("has {v} as a part", "包含 {v}"),
        "isPartOf": ("lies within {v}", "限于 {v}"),
    }
)

# What a duty comes to, in the infinitive; an action without a line is called by its label.
DUTIES: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        "hefu:log": ("record it in the signed journal", "记入签名日志"),
        "hefu:notifyDeny": ("tell the other party of every refusal", "将每次拒绝告知对方"),
        "hefu:attest": ("prove by attestation what runs, and where", "对运行环境与程序出具远程证明"),
        "hefu:obtainApproval": ("have it approved by a person of the provider", "取得提供方人员的批准"),
        "odrl:obtainConsent": ("obtain consent", "取得同意"),
        "odrl:delete": ("delete what was received, with a signed proof", "删除所获数据并出具签名证明"),
        "odrl:inform": ("inform the provider", "告知提供方"),
        "odrl:compensate": ("pay for it", "支付费用"),
        "odrl:attribute": ("name the provider as the source", "注明数据来源为提供方"),
        "odrl:nextPolicy": ("hand the same terms on with whatever is derived", "将相同条款附于衍生结果"),
        "odrl:anonymize": ("make it anonymous", "予以匿名化"),
    }
)

# Closed words of concepts.
WORDS: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        "NoisyAggregate": ("a noised aggregate", "加噪聚合值"),
        "Histogram": ("a histogram", "直方图"),
        "Scalar": ("a single figure", "单个数值"),
        "ModelUpdate": ("an update of a model", "模型更新"),
        "ModelWeights": ("the weights of a model", "模型参数"),
        "CardinalityOnly": ("the size of the intersection only", "仅交集规模"),
        "IntersectionIds": ("the members of the intersection", "交集成员"),
        "EncryptedResult": ("an encrypted result that the asker alone can open", "仅请求方可解密的密文结果"),
        "Receipt": ("a receipt only", "仅回执"),
        "Rows": ("rows", "数据行"),
        "File": ("a file", "文件"),
        "raw": ("as they are", "原始"),
        "masked": ("masked", "脱敏"),
        "sampled": ("as a sample", "抽样"),
        "anonymised": ("anonymised", "匿名化"),
        "add-remove": ("of one unit more or less", "增删一个单元"),
        "Aggregate": ("exact figures by group", "分组精确数值"),
        "Metrics": ("measures of quality", "评估指标"),
        "Sample": ("a synthetic sample", "合成样本"),
        "UsageControl": ("an environment under usage control", "使用控制环境"),
        "Sandbox": ("a sandbox", "沙箱"),
        "MultiParty": ("secure multi-party computation", "安全多方计算环境"),
        "Federated": ("a federation, the data staying where it is", "联邦学习环境"),
        "TrustedExecution": ("a trusted execution environment", "可信执行环境"),
        "Ciphertext": ("an environment in which the data stays encrypted", "密态计算环境"),
        "OtherEnvironment": ("another environment", "其他环境"),
        "PlainText": ("plain text", "明文"),
        "CipherText": ("ciphertext", "密文"),
        "OtherEncryption": ("another encryption", "其他加密方式"),
        "FileChannel": ("file", "文件"),
        "StreamChannel": ("stream", "数据流"),
        "InterfaceChannel": ("interface", "接口"),
        "OtherChannel": ("another channel", "其他渠道"),
        "General": ("general data", "一般数据"),
        "Important": ("important data", "重要数据"),
        "Core": ("core data", "核心数据"),
        "Personal": ("personal data", "个人信息"),
        "SensitivePersonal": ("sensitive personal data", "敏感个人信息"),
        "Public": ("public data", "公共数据"),
        "regulator": ("a regulator", "监管方"),
        "provider": ("a provider", "提供方"),
        "consumer": ("a consumer", "使用方"),
        "service": ("a service provider", "服务方"),
        "operator": ("the operator of the space", "空间运营方"),
        "OnAllow": ("of what is allowed", "允许事项"),
        "OnDeny": ("of what is refused", "拒绝事项"),
        "OnDutyExercised": ("of duties performed", "义务履行事项"),
        "DiscreteLaplace": ("discrete Laplace noise", "离散拉普拉斯噪声"),
        "DiscreteGaussian": ("discrete Gaussian noise", "离散高斯噪声"),
        "SecureAggregation": ("secure aggregation", "安全聚合"),
        "SecretSharing": ("secret sharing", "秘密共享"),
        "GarbledCircuits": ("garbled circuits", "混淆电路"),
        "EcdhPsi": ("intersection by Diffie-Hellman (ECDH)", "基于 ECDH 的隐私求交"),
        "OprfPsi": ("intersection by oblivious functions (OPRF)", "基于 OPRF 的隐私求交"),
        "RemoteAttestation": ("remote attestation", "远程证明"),
    }
)
