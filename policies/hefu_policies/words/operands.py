"""The left operands of the Hefu profile: what may be compared, of which type, with which operators, decided when.

Everything else is generated from this table: JSON-LD context, JSON schema, reference page, labels. An operand that
is not here is refused when a policy is loaded. One whose fact nobody knows in a given connector is Unknown there:
it never permits, and always prohibits.

Terms of the W3C's ODRL 2.2 have the prefix ``odrl:``, our own ``hefu:``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hefu_policies.words import actions
from hefu_policies.words.vocabulary import Kind, Meet, Operand, Operator, Phase, Source

PARTICIPANT_PREFIX: Final = "urn:hefu:participant:"
CONNECTOR_PREFIX: Final = "urn:hefu:connector:"
CURRENCY: Final = "urn:iso:std:iso:4217:"  # units of money, for example urn:iso:std:iso:4217:CNY
PER: Final = "urn:hefu:per:"  # windows of time that follow each other from the agreement's timestamp, urn:hefu:per:P1D
PURPOSES: Final = "purposes"  # the taxonomy of purposes
USAGE: Final = "odrl:policyUsage"
ADD_REMOVE: Final = "add-remove"

RAW: Final = "raw"
MASKED: Final = "masked"
SAMPLED: Final = "sampled"
ANONYMISED: Final = "anonymised"
PROCESSING: Final = frozenset({RAW, MASKED, SAMPLED, ANONYMISED})
ROWS: Final = "Rows"
FILE: Final = "File"

_AT_MOST = frozenset({Operator.LTEQ})
_AT_LEAST = frozenset({Operator.GTEQ})
_IS = frozenset({Operator.EQ})
_EXACTLY = frozenset({Operator.EQ, Operator.LTEQ})
_ONE_OF = frozenset({Operator.EQ, Operator.IS_ANY_OF})
_ANY = frozenset({Operator.IS_ANY_OF})
_ANY_OR_NONE = frozenset({Operator.IS_ANY_OF, Operator.IS_NONE_OF})
_INSIDE = frozenset({Operator.IS_PART_OF})
_INSIDE_OR_NONE = frozenset({Operator.IS_PART_OF, Operator.IS_NONE_OF})
_ONLY_OR_MUST = frozenset({Operator.IS_PART_OF, Operator.IS_ALL_OF})
_PURPOSES = frozenset({Operator.IS_A, Operator.IS_ANY_OF, Operator.IS_NONE_OF})
_TIMES = frozenset({Operator.LT, Operator.LTEQ, Operator.GT, Operator.GTEQ})
_ORDER = frozenset({Operator.LT, Operator.GTEQ, Operator.GT})
_BOUNDS = frozenset({Operator.LTEQ, Operator.GTEQ})

_C, _A, _M, _R, _P = Phase.CATALOG, Phase.ADMISSION, Phase.MONITOR, Phase.RELEASE, Phase.POST
_AT_ONCE = frozenset({_A})
_RUNNING = frozenset({_A, _M})
_BOTH = frozenset({_A, _R})
_ALWAYS = frozenset({_A, _M, _R})
_LATE = frozenset({_R})
_SEEN = frozenset({_C, _A})
_STANDING = frozenset({_C, _A, _M})
_AFTER = frozenset({_P})

_OPERATIONS = frozenset(
    each.term
    for each in actions.ACTIONS.values()
    if actions.COMPUTE in each.included_in
    or actions.FEDERATED_TRAIN in each.included_in
    or each.term == actions.DELIVER
)
_OUTPUTS = frozenset({
    "NoisyAggregate", "Histogram", "Scalar", "Aggregate", "Metrics", "ModelUpdate", "ModelWeights", "CardinalityOnly",
    "IntersectionIds", "EncryptedResult", "Receipt", "Sample", ROWS, FILE,
})  # fmt: skip
_ENVIRONMENTS = frozenset({
    "UsageControl", "Sandbox", "MultiParty", "Federated", "TrustedExecution", "Ciphertext", "OtherEnvironment",
})  # fmt: skip
_CIPHERS = frozenset({"PlainText", "CipherText", "OtherEncryption"})
_CHANNELS = frozenset({"FileChannel", "StreamChannel", "InterfaceChannel", "OtherChannel"})
_PROTOCOLS = frozenset({
    "DiscreteLaplace", "DiscreteGaussian", "BFV", "BGV", "CKKS", "TFHE", "Paillier", "SecureAggregation",
    "SecretSharing", "GarbledCircuits", "EcdhPsi", "OprfPsi", "RemoteAttestation",
})  # fmt: skip
_CLASSES = frozenset({"General", "Important", "Core", "Personal", "SensitivePersonal", "Public"})
_ROLES = frozenset({"provider", "consumer", "service", "regulator", "operator"})
_LEVELS = ("L1", "L2", "L3", "L4", "L5")
_LOGGED = frozenset({"OnAllow", "OnDeny", "OnDutyExercised"})

# One line an operand: name, term, kind, operators, phases, meet, source, labels.
OPERANDS: Final[Mapping[str, Operand]] = MappingProxyType({
    each.term: each for each in (
        # What is asked.
        Operand("purpose", "odrl:purpose", Kind.PURPOSE, _PURPOSES, _AT_ONCE, Meet.LATTICE, Source.REQUEST,
                "purpose", "目的", taxonomy=PURPOSES),
        Operand("operation", "hefu:operation", Kind.CONCEPT, _ONE_OF, _AT_ONCE, Meet.ALLOWED, Source.PLAN,
                "operation", "操作", _OPERATIONS),
        Operand("program", "hefu:program", Kind.DIGEST, _ONE_OF, _RUNNING, Meet.ALLOWED, Source.WORKER,
                "program, by the digest of its bytes", "程序（按字节摘要）"),
        Operand("model", "hefu:model", Kind.DIGEST, _ONE_OF, _RUNNING, Meet.ALLOWED, Source.WORKER,
                "model, by the digest of its bytes", "模型（按字节摘要）"),
        Operand("programSigner", "hefu:programSigner", Kind.PARTY, _ANY, _AT_ONCE, Meet.ALLOWED, Source.CREDENTIAL,
                "who signed the program", "程序签名者", prefix=PARTICIPANT_PREFIX),
        Operand("column", "hefu:column", Kind.NAMES, _INSIDE_OR_NONE, _RUNNING, Meet.ALLOWED, Source.PLAN,
                "columns used anywhere", "用到的列"),
        Operand("joinKey", "hefu:joinKey", Kind.NAMES, _INSIDE, _AT_ONCE, Meet.ALLOWED, Source.PLAN,
                "columns that are joined on", "连接键"),
        Operand("function", "hefu:function", Kind.NAMES, _INSIDE, _AT_ONCE, Meet.ALLOWED, Source.PLAN,
                "functions used", "用到的函数"),
        Operand("rowFilter", "hefu:rowFilter", Kind.DIGEST, _IS, _AT_ONCE, Meet.EQUAL, Source.PLAN,
                "filter of rows, by digest", "行过滤条件（按摘要）"),
        # Privacy loss and budgets.
        Operand("epsilon", "hefu:epsilon", Kind.DECIMAL, _AT_MOST, _BOTH, Meet.MIN, Source.PLAN,
                "ε of one release", "单次发布的 ε"),
        Operand("delta", "hefu:delta", Kind.DECIMAL, _AT_MOST, _BOTH, Meet.MIN, Source.PLAN,
                "δ of one release", "单次发布的 δ"),
        Operand("rho", "hefu:rho", Kind.DECIMAL, _AT_MOST, _BOTH, Meet.MIN, Source.PLAN,
                "ρ of one release", "单次发布的 ρ"),
        Operand("epsilonBudget", "hefu:epsilonBudget", Kind.DECIMAL, _AT_MOST, _ALWAYS, Meet.SEPARATE, Source.LEDGER,
                "ε spent under this agreement, this release included", "本合约累计 ε（含本次）"),
        Operand("deltaBudget", "hefu:deltaBudget", Kind.DECIMAL, _AT_MOST, _ALWAYS, Meet.SEPARATE, Source.LEDGER,
                "δ spent under this agreement, this release included", "本合约累计 δ（含本次）"),
        Operand("rhoBudget", "hefu:rhoBudget", Kind.DECIMAL, _AT_MOST, _ALWAYS, Meet.SEPARATE, Source.LEDGER,
                "ρ spent under this agreement, this release included", "本合约累计 ρ（含本次）"),
        Operand("privacyUnit", "hefu:privacyUnit", Kind.TEXT, _IS, _AT_ONCE, Meet.EQUAL, Source.PRODUCT,
                "privacy unit", "隐私单元"),
        Operand("neighbouring", "hefu:neighbouring", Kind.CONCEPT, _IS, _AT_ONCE, Meet.EQUAL, Source.PRODUCT,
                "neighbouring relation", "相邻关系", frozenset({ADD_REMOVE})),
        Operand("maxContribution", "hefu:maxContribution", Kind.INTEGER, _AT_MOST, _AT_ONCE, Meet.MIN, Source.PRODUCT,
                "rows of one privacy unit", "单个隐私单元的行数"),
        # What comes out.
        Operand("minGroup", "hefu:minGroup", Kind.INTEGER, _AT_LEAST, _LATE, Meet.MAX, Source.GUARD,
                "smallest group an output cell stands for", "输出单元的最小分组"),
        Operand("rounding", "hefu:rounding", Kind.DECIMAL, _AT_LEAST, _LATE, Meet.MAX, Source.GUARD,
                "step that values are rounded to", "数值取整步长"),
        Operand("outputKind", "hefu:outputKind", Kind.CONCEPT, _ONE_OF, _BOTH, Meet.ALLOWED, Source.PLAN,
                "kind of output", "输出类型", _OUTPUTS),
        Operand("outputRows", "hefu:outputRows", Kind.INTEGER, _AT_MOST, _LATE, Meet.MIN, Source.PLAN,
                "rows of output", "输出行数"),
        Operand("outputBytes", "hefu:outputBytes", Kind.INTEGER, _AT_MOST, _LATE, Meet.MIN, Source.GUARD,
                "bytes of output", "输出字节数"),
        Operand("recipient", "odrl:recipient", Kind.PARTY, _ONE_OF, _BOTH, Meet.ALLOWED, Source.REQUEST,
                "recipient", "接收方", performance=True, prefix=PARTICIPANT_PREFIX),
        Operand("processing", "hefu:processing", Kind.CONCEPT, _ONE_OF, _BOTH, Meet.ALLOWED, Source.PLAN,
                "how delivered data is processed", "交付数据的处理方式", PROCESSING),
        Operand("share", "hefu:share", Kind.DECIMAL, _AT_MOST, _BOTH, Meet.MIN, Source.PLAN,
                "share of the privacy units that is delivered", "所交付的隐私单元比例"),
        # How much is read and used.
        Operand("inputRows", "hefu:inputRows", Kind.INTEGER, _AT_MOST, _RUNNING, Meet.MIN, Source.DATA,
                "rows read", "读取的行数"),
        Operand("absoluteSize", "odrl:absoluteSize", Kind.INTEGER, _AT_MOST, _RUNNING, Meet.MIN, Source.DATA,
                "bytes read", "读取的字节数"),
        Operand("count", "odrl:count", Kind.INTEGER, _AT_MOST, _AT_ONCE, Meet.MIN, Source.LEDGER,
                "computations under this agreement, this one included", "本合约累计计算次数（含本次）"),
        Operand("frequency", "hefu:frequency", Kind.INTEGER, _AT_MOST, _AT_ONCE, Meet.MIN, Source.LEDGER,
                "computations in the present window of time, this one included", "当前时间窗内的次数（含本次）",
                unit=PER),
        Operand("timeInterval", "odrl:timeInterval", Kind.DURATION, _AT_LEAST, _AT_ONCE, Meet.MAX, Source.LEDGER,
                "time since the computation before", "距上次计算的时间"),
        Operand("meteredTime", "odrl:meteredTime", Kind.DURATION, _AT_MOST, _RUNNING, Meet.MIN, Source.LEDGER,
                "time computed under this agreement, this computation included", "本合约累计计算时长（含本次）"),
        Operand("payAmount", "odrl:payAmount", Kind.DECIMAL, _EXACTLY, _AT_ONCE | _AFTER, Meet.ADDED, Source.LEDGER,
                "amount paid", "支付金额", performance=True, unit=CURRENCY),
        # Between whom, and how.
        Operand("counterparty", "hefu:counterparty", Kind.PARTIES, _ONLY_OR_MUST, _AT_ONCE, Meet.ALLOWED,
                Source.TRANSPORT, "parties that compute together", "共同计算的各方", prefix=PARTICIPANT_PREFIX),
        Operand("minParties", "hefu:minParties", Kind.INTEGER, _AT_LEAST, _AT_ONCE, Meet.MAX, Source.ENGINE,
                "parties that compute together, their number", "共同计算的参与方数量"),
        Operand("collusionThreshold", "hefu:collusionThreshold", Kind.INTEGER, _AT_LEAST, _AT_ONCE, Meet.MAX,
                Source.ENGINE, "parties that together learn nothing", "可抵御的合谋方数量"),
        Operand("rounds", "hefu:rounds", Kind.INTEGER, _AT_MOST, _RUNNING, Meet.MIN, Source.ENGINE,
                "rounds of training", "训练轮数"),
        Operand("clipNorm", "hefu:clipNorm", Kind.DECIMAL, _AT_MOST, _RUNNING, Meet.MIN, Source.ENGINE,
                "norm that updates are clipped to", "更新的裁剪范数"),
        Operand("secureAggregation", "hefu:secureAggregation", Kind.BOOLEAN, _IS, _RUNNING, Meet.BOTH, Source.ENGINE,
                "secure aggregation", "安全聚合"),
        Operand("securityBits", "hefu:securityBits", Kind.INTEGER, _AT_LEAST, _AT_ONCE, Meet.MAX, Source.ENGINE,
                "bits of security", "安全强度（比特）"),
        Operand("protocol", "hefu:protocol", Kind.CONCEPT, _ANY, _AT_ONCE, Meet.ALLOWED, Source.ENGINE,
                "protocol", "协议", _PROTOCOLS),
        Operand("environment", "hefu:environment", Kind.CONCEPT, _ONE_OF, _RUNNING, Meet.ALLOWED, Source.ENGINE,
                "environment of execution", "执行环境", _ENVIRONMENTS),
        Operand("encryptMode", "hefu:encryptMode", Kind.CONCEPT, _ONE_OF, _RUNNING, Meet.ALLOWED, Source.ENGINE,
                "encryption while computing", "计算时的加密方式", _CIPHERS),
        Operand("deliveryChannel", "odrl:deliveryChannel", Kind.CONCEPT, _ONE_OF, _RUNNING, Meet.ALLOWED, Source.ENGINE,
                "channel of delivery", "交付渠道", _CHANNELS),
        Operand("attestation", "hefu:attestation", Kind.CLAIM, _ANY, _RUNNING, Meet.ALLOWED, Source.ATTESTATION,
                "attestation", "环境证明"),
        # When and where.
        Operand("dateTime", "odrl:dateTime", Kind.TIME, _TIMES, _ALWAYS | {_C}, Meet.ALLOWED, Source.CLOCK,
                "time", "时间"),
        Operand("timeWindow", "hefu:timeWindow", Kind.WINDOW, _INSIDE, _RUNNING, Meet.ALLOWED, Source.CLOCK,
                "time of the week", "每周时段"),
        Operand("elapsedTime", "odrl:elapsedTime", Kind.DURATION, _AT_MOST, _RUNNING, Meet.MIN, Source.CLOCK,
                "time since the agreement", "自签约起的时间"),
        Operand("spatial", "odrl:spatial", Kind.REGION, _INSIDE_OR_NONE, _RUNNING, Meet.ALLOWED, Source.SETTINGS,
                "place of use", "使用地域"),
        Operand("jurisdiction", "hefu:jurisdiction", Kind.REGION, _INSIDE_OR_NONE, _STANDING, Meet.ALLOWED,
                Source.REGISTRY, "jurisdiction of the requester", "请求方的司法辖区"),
        Operand("networkAddress", "hefu:networkAddress", Kind.ADDRESS, _ANY, _RUNNING, Meet.ALLOWED, Source.TRANSPORT,
                "network address", "网络地址"),
        Operand("physicalAddress", "hefu:physicalAddress", Kind.TEXT, _ANY, _RUNNING, Meet.ALLOWED, Source.ATTESTATION,
                "hardware", "硬件标识"),
        Operand("systemDevice", "odrl:systemDevice", Kind.IRI, _ONE_OF, _AT_ONCE, Meet.ALLOWED, Source.TRANSPORT,
                "device", "设备"),
        Operand("connector", "hefu:connector", Kind.IRI, _ONE_OF, _AT_ONCE, Meet.ALLOWED, Source.TRANSPORT,
                "connector", "连接器", prefix=CONNECTOR_PREFIX),
        # Who asks, and what about.
        Operand("securityLevel", "hefu:securityLevel", Kind.LEVEL, _AT_LEAST, _SEEN, Meet.MAX, Source.REGISTRY,
                "security level of the requester", "请求方的安全等级", frozenset(_LEVELS), levels=_LEVELS),
        Operand("credential", "hefu:credential", Kind.CLAIM, _ONE_OF, _SEEN, Meet.BOTH, Source.CREDENTIAL,
                "credential", "凭证"),
        Operand("industry", "odrl:industry", Kind.INDUSTRY, _ANY_OR_NONE, _SEEN, Meet.ALLOWED, Source.REGISTRY,
                "industry of the requester", "请求方的行业"),
        Operand("role", "hefu:role", Kind.CONCEPT, _ANY_OR_NONE, _SEEN, Meet.ALLOWED, Source.REGISTRY,
                "role of the requester", "请求方的角色", _ROLES),
        Operand("dataClassification", "hefu:dataClassification", Kind.CONCEPT, _ANY_OR_NONE, _AT_ONCE, Meet.ALLOWED,
                Source.PRODUCT, "class of the data", "数据分类分级", _CLASSES),
        # How and when duties are performed.
        Operand("event", "odrl:event", Kind.CONCEPT, _ORDER, _AFTER, Meet.EQUAL, Source.ENFORCEMENT,
                "before, at or after the use", "使用之前、之时或之后", frozenset({USAGE})),
        Operand("retention", "hefu:retention", Kind.DURATION, _AT_MOST, _AFTER, Meet.MIN, Source.KEEPER,
                "how long delivered data is kept", "交付数据的保存期限", performance=True),
        Operand("deadline", "hefu:deadline", Kind.TIME, _AT_MOST, _AFTER, Meet.MIN, Source.KEEPER,
                "when it must be done", "完成期限", performance=True),
        Operand("delayPeriod", "odrl:delayPeriod", Kind.DURATION, _BOUNDS, _AFTER, Meet.MIN, Source.KEEPER,
                "time from the use until it is done", "自使用起至完成的时间", performance=True),
        Operand("logLevel", "hefu:logLevel", Kind.CONCEPT, _IS, _AFTER, Meet.EQUAL, Source.KEEPER,
                "what is recorded", "记录内容", _LOGGED, performance=True),
    )
})  # fmt: skip
