"""Templates for computing on what nobody sees: scores on encrypted features, models as a service, programs in a TEE."""

from __future__ import annotations

from hefu.canonical import Object

from hefu_policies.library import parameters as check
from hefu_policies.library.common import (
    BITS,
    KEEP,
    LEAST_PARTIES,
    MODELS,
    PARTIES,
    PER_DAY,
    PROGRAMS,
    columns,
    count,
    goal,
    made,
    until,
)  # fmt: skip
from hefu_policies.library.parameters import Parameter, Values
from hefu_policies.library.rules import (
    duty,
    each,
    money,
    need,
    never,
    only_one,
    permission,
    several,
    together,
    written,
)  # fmt: skip
from hefu_policies.library.statistics import BUDGET, COLUMNS, COUNT, EPSILON, MIN_GROUP, RHO, RHO_BUDGET, UNTIL
from hefu_policies.words.terms import (
    ATTEST,
    COMPENSATE,
    COMPUTE,
    DELETE,
    DELIVER,
    HE_INFERENCE,
    MPC_EVALUATE,
    TEE_EXECUTE,
)  # fmt: skip

PRICE = Parameter(
    "price", check.positive, 'an amount as text, such as "2.50"', "price of one computation", "每次价格", example="2.5"
)
CURRENCY = Parameter("currency", check.currency, "a currency such as CNY", "currency", "币种", "CNY")
_PURPOSE = Parameter(
    "purpose", check.purpose, "a purpose such as dpv:ServiceProvision", "what for", "用途", "dpv:ServiceProvision"
)
_SIGNERS = Parameter(
    "signers", check.signers, "a list of participants or DIDs, such as [did:web:lab.example]",
    "who may have signed the program", "程序签名方", example=["did:web:lab.example"],
)  # fmt: skip
_MEASUREMENTS = Parameter(
    "measurements", check.claims, "a list of claims, such as [Enclave.measurement=4f2a…]",
    "what the environment must prove", "环境证明要求", example=["Enclave.measurement=4f2a"],
)  # fmt: skip
_BYTES = Parameter(
    "bytes", check.whole, "a whole number of at least 1, such as 65536", "bytes of one result, at most",
    "单次输出字节上限",
    65536,
)  # fmt: skip
_DELTA = Parameter(
    "delta", check.positive, 'a decimal above 0 as text, such as "0.000001"', "δ of one release, at most",
    "单次发布 δ 上限", "0.000001",
)  # fmt: skip
_ONE_COLLUDING = Parameter(
    "colluding", check.whole, "a whole number of at least 1, such as 1",
    "parties that together still learn nothing, at least", "可抵御的合谋方数下限", 1,
)  # fmt: skip
_COLLUDING = Parameter(
    "colluding", check.whole, "a whole number of at least 1, such as 2",
    "parties that together still learn nothing, at least", "可抵御的合谋方数下限", 2,
)  # fmt: skip


def _scoring(values: Values) -> Object:
    conditions = [
        need("purpose", "odrl:purpose", "isAnyOf", "dpv:CustomerSolvencyMonitoring", "dpv:OrganisationRiskManagement"),
        need("model", "hefu:model", "isAnyOf", *several(values["models"])),
        columns(values),
        need("encrypted", "hefu:encryptMode", "eq", "CipherText"),
        need("bits", "hefu:securityBits", "gteq", values["bits"]),
        need("output", "hefu:outputKind", "eq", "EncryptedResult"),
        need("per-day", "hefu:frequency", "lteq", values["per_day"], unit=each("P1D")),
        count(values),
        until(values),
    ]
    selling = need("selling", "odrl:purpose", "isAnyOf", "dpv:Marketing", "dpv:Personalisation")
    staff = need("staff", "odrl:purpose", "isA", "dpv:HumanResourceManagement")
    keep = need("keep", "hefu:retention", "lteq", values["keep"])
    return written(
        [permission("score", HE_INFERENCE, conditions)],
        [never("selling", COMPUTE, selling), never("staff", COMPUTE, staff), never("deliver", DELIVER)],
        [duty("delete", DELETE, keep)],
    )


def _scores(values: Values) -> Object:
    conditions = [
        goal(values),
        need("model", "hefu:model", "isAnyOf", *several(values["models"])),
        columns(values),
        need("encrypted", "hefu:encryptMode", "eq", "CipherText"),
        need("bits", "hefu:securityBits", "gteq", values["bits"]),
        need("output", "hefu:outputKind", "eq", "EncryptedResult"),
        count(values),
        until(values),
    ]
    return written([permission("score", HE_INFERENCE, conditions)], [never("deliver", DELIVER)])


def _service(values: Values) -> Object:
    sealed = need("sealed", "hefu:encryptMode", "eq", "CipherText")
    enclave = together(
        "enclave",
        need("plain", "hefu:encryptMode", "eq", "PlainText"),
        need("tee", "hefu:environment", "eq", "TrustedExecution"),
    )
    conditions = [
        goal(values),
        need("model", "hefu:model", "isAnyOf", *several(values["models"])),
        only_one("protected", sealed, enclave),
        need("output", "hefu:outputKind", "isAnyOf", "EncryptedResult", "Scalar"),
        need("per-day", "hefu:frequency", "lteq", values["per_day"], unit=each("P1D")),
        until(values),
    ]
    price = need("price", "odrl:payAmount", "eq", values["price"], unit=money(values["currency"]))
    copying = need("copying", "hefu:outputKind", "isAnyOf", "ModelWeights", "ModelUpdate")
    return written(
        [permission("serve", HE_INFERENCE, conditions, duty("pay", COMPENSATE, price))],
        [never("copying", COMPUTE, copying)],
    )


def _joint(values: Values) -> Object:
    conditions = [
        goal(values),
        need("only", "hefu:counterparty", "isPartOf", *several(values["parties"])),
        need("parties", "hefu:minParties", "gteq", values["least_parties"]),
        need("colluding", "hefu:collusionThreshold", "gteq", values["colluding"]),
        need("bits", "hefu:securityBits", "gteq", values["bits"]),
        need("functions", "hefu:function", "isPartOf", "count", "sum", "mean", "variance"),
        columns(values),
        need("group", "hefu:minGroup", "gteq", values["min_group"]),
        need("output", "hefu:outputKind", "isAnyOf", "Aggregate", "Scalar"),
        count(values),
        until(values),
    ]
    return written([permission("joint", MPC_EVALUATE, conditions)], [never("deliver", DELIVER)])


def _totals(values: Values) -> Object:
    """As `_joint`, of totals with noise that all parties draw together: it protects every group, whatever its size."""
    counted = [
        need("rho", "hefu:rho", "lteq", values["rho"]),
        need("budget", "hefu:rhoBudget", "lteq", values["budget"]),
    ] if "rho" in values else [
        need("epsilon", "hefu:epsilon", "lteq", values["epsilon"]),
        need("delta", "hefu:delta", "lteq", values["delta"]),
        need("budget", "hefu:epsilonBudget", "lteq", values["budget"]),
    ]  # fmt: skip
    conditions = [
        goal(values),
        need("only", "hefu:counterparty", "isPartOf", *several(values["parties"])),
        need("parties", "hefu:minParties", "gteq", values["least_parties"]),
        need("colluding", "hefu:collusionThreshold", "gteq", values["colluding"]),
        need("encrypted", "hefu:encryptMode", "eq", "CipherText"),
        need("bits", "hefu:securityBits", "gteq", values["bits"]),
        need("functions", "hefu:function", "isPartOf", "count", "sum", "units"),
        *counted,
        columns(values),
        need("output", "hefu:outputKind", "eq", "EncryptedResult"),
        count(values),
        until(values),
    ]
    return written([permission("total", MPC_EVALUATE, conditions)], [never("deliver", DELIVER)])


def _program(values: Values) -> Object:
    conditions = [
        goal(values),
        need("program", "hefu:program", "isAnyOf", *several(values["programs"])),
        need("signer", "hefu:programSigner", "isAnyOf", *several(values["signers"])),
        need("environment", "hefu:environment", "eq", "TrustedExecution"),
        need("measured", "hefu:attestation", "isAnyOf", *several(values["measurements"])),
        columns(values),
        need("output", "hefu:outputKind", "isAnyOf", "Aggregate", "Scalar", "Metrics"),
        need("bytes", "hefu:outputBytes", "lteq", values["bytes"]),
        count(values),
        until(values),
    ]
    return written([permission("run", TEE_EXECUTE, conditions, duty("attest", ATTEST))], [never("deliver", DELIVER)])


_TOTALS_EN = (
    "Counts and sums over the columns {{columns}} of at least {{least_parties}} of the parties {{parties}}, added up "
    "under encryption, for {{purpose}}, at most {{count}} times, until {{until}}. Only the total is told, with noise "
    "that all parties draw together, and only to the asker; a single party's part stays hidden even if {{colluding}} "
    "parties pool what they see with the asker; at least {{bits}} bits of security. {counted}"
)
_TOTALS_ZH = (
    "可对 {{parties}} 中至少 {{least_parties}} 家机构的列 {{columns}} 在加密下联合计数与求和，用途为{{purpose}}，"
    "最多 {{count}} 次，截止 {{until}}。仅请求方可得合计，且带有各方共同生成的噪声；即使 {{colluding}} 方与请求方合谋，"
    "任何一方的数据仍不可见；密码强度不低于 {{bits}} 比特。{counted}"
)
_IN_EPSILON_EN = "Each total costs at most ε = {epsilon} with δ = {delta}, all together at most ε = {budget}."
_IN_EPSILON_ZH = "单次 ε 不超过 {epsilon}（δ 不超过 {delta}），累计 ε 不超过 {budget}。"
_IN_RHO_EN = "Each total costs at most ρ = {rho}, all together at most ρ = {budget}."
_IN_RHO_ZH = "单次 ρ 不超过 {rho}，累计 ρ 不超过 {budget}。"
ENCRYPTED = (
    made(
        "credit-scoring",
        (MODELS, COLUMNS, BITS, PER_DAY, COUNT, UNTIL, KEEP),
        _scoring,
        ("Credit scores on encrypted features", "密态特征信用评分"),
        (
            "The models {models} may be applied to the encrypted features {columns}, to judge whether a customer "
            "can pay or to manage risk: at most {per_day} requests a day, {count} records in all, "
            "counted by the block that they are encrypted in, until {until}. Features and scores stay encrypted with "
            "at least {bits} bits of security, and only the asker can open a score. Scores are deleted after {keep} at "
            "the latest. Marketing, personalisation and decisions on staff are prohibited.",
            "可将模型 {models} 用于密态特征 {columns}，目的限于判断客户偿付能力或管理风险：每日不超过 "
            "{per_day} 次请求，累计不超过 {count} 条记录（按密文批次整批计），截止 {until}。特征与评分全程加密，"
            "密码强度不低于 {bits} 比特，仅请求方可解密评分。"
            "评分最长保存 {keep}，到期删除。禁止用于营销、个性化与人事决策。",
        ),
    ),
    made(
        "encrypted-scoring",
        (_PURPOSE, MODELS, COLUMNS, BITS, COUNT, UNTIL),
        _scores,
        ("Scores of a model on encrypted records", "密态记录评分"),
        (
            "The models {models} may be applied to the encrypted features {columns}, for {purpose}: {count} records in "
            "all, counted by the block that they are encrypted in, until {until}. Records and scores stay encrypted "
            "with at least {bits} bits of security, and only the asker can open a score.",
            "可将模型 {models} 用于密态特征 {columns}，用途为{purpose}：累计不超过 {count} 条记录（按密文批次整批计），"
            "截止 {until}。记录与评分全程加密，密码强度不低于 {bits} 比特，仅请求方可解密评分。",
        ),
    ),
    made(
        "model-service",
        (_PURPOSE, MODELS, PER_DAY, PRICE, CURRENCY, UNTIL),
        _service,
        ("Answers of a model as a paid service", "模型推理付费服务"),
        (
            "Answers of the models {models}, for {purpose}, at most {per_day} requests a day, until {until}, at "
            "{price} {currency} a request, paid beforehand; how many records are answered in all is the agreement's "
            "budget. The question is either encrypted, or read in plain text inside a trusted execution environment; "
            "exactly one of both. The model itself never leaves.",
            "可获取模型 {models} 的推理结果，用途为{purpose}，每日不超过 {per_day} 次请求，截止 {until}，每次请求 "
            "{price} {currency}，事先支付；累计答复的记录数以合约额度为限。"
            "输入须全程加密，或仅在可信执行环境内以明文处理，二者恰居其一。模型本身不得导出。",
        ),
    ),
    made(
        "joint-statistics",
        (_PURPOSE, PARTIES, LEAST_PARTIES, _COLLUDING, BITS, MIN_GROUP, COLUMNS, COUNT, UNTIL),
        _joint,
        ("Exact statistics over the data of several parties, nobody seeing another's", "多方安全联合统计"),
        (
            "Counts, sums, means and variances over the columns {columns} of at least {least_parties} of the parties "
            "{parties}, for {purpose}, at most {count} times, until {until}. Nobody sees another's data, not even if "
            "{colluding} parties pool what they see; at least {bits} bits of security. Groups smaller than {min_group} "
            "are not told.",
            "可对 {parties} 中至少 {least_parties} 家机构的列 {columns} 联合计算计数、合计、均值与方差，"
            "用途为{purpose}，"
            "最多 {count} 次，截止 {until}。任何一方均看不到他方数据，即使 {colluding} 方合谋亦然；"
            "密码强度不低于 {bits} 比特。"
            "少于 {min_group} 的分组不予发布。",
        ),
    ),
    made(
        "joint-totals",
        (_PURPOSE, PARTIES, LEAST_PARTIES, _ONE_COLLUDING, BITS, EPSILON, _DELTA, BUDGET, COLUMNS, COUNT, UNTIL),
        _totals,
        ("Noised totals over the data of several parties, of which only the total is told", "多方联合加噪合计"),
        (_TOTALS_EN.format(counted=_IN_EPSILON_EN), _TOTALS_ZH.format(counted=_IN_EPSILON_ZH)),
    ),
    made(
        "rho-joint-totals",
        (_PURPOSE, PARTIES, LEAST_PARTIES, _ONE_COLLUDING, BITS, RHO, RHO_BUDGET, COLUMNS, COUNT, UNTIL),
        _totals,
        (
            "Noised totals over the data of several parties, counted in ρ of zero-concentrated privacy",
            "多方联合加噪合计（以 zCDP 的 ρ 计量）",
        ),
        (_TOTALS_EN.format(counted=_IN_RHO_EN), _TOTALS_ZH.format(counted=_IN_RHO_ZH)),
    ),
    made(
        "tee-program",
        (_PURPOSE, PROGRAMS, _SIGNERS, _MEASUREMENTS, COLUMNS, _BYTES, COUNT, UNTIL),
        _program,
        ("A named program in an attested environment", "可信执行环境中的指定程序"),
        (
            "The programs {programs}, signed by {signers}, may read the columns {columns} in plain text inside a "
            "trusted "
            "execution environment that proves {measurements}, for {purpose}, at most {count} times, until {until}. A "
            "result has at most {bytes} bytes. Before each run the environment proves what it is.",
            "由 {signers} 签名的程序 {programs} 可在可信执行环境内以明文读取列 {columns}，该环境须证明 {measurements}；"
            "用途为{purpose}，最多 {count} 次，截止 {until}。单次结果不超过 {bytes} 字节。"
            "每次运行前环境须出具远程证明。",
        ),
    ),
)
