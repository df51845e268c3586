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
        "A status list older than the one already seen was offered. It is refused; tell the operator.",
        "收到比已知更旧的状态表，已拒绝。请告知运营者。",
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
    "enrolment.rejected": _m(
        "The enrolment of {participant} was rejected. Ask the operator why.",
        "{participant} 的接入申请被拒绝。请向运营者查询。",
    ),
    "address.taken": _m(
        "The address {address} cannot be bound. Is another process using it?",
        "无法绑定地址 {address}。是否已被其他进程占用？",
    ),
    "fault.in_production": _m(
        "HEFU_FAULT is set but HEFU_TEST is not 1. Unset HEFU_FAULT: faults on purpose belong into tests.",
        "已设置 HEFU_FAULT 而 HEFU_TEST 不为 1。请取消 HEFU_FAULT：人为故障只用于测试。",
    ),
    "fault.malformed": _m(
        "HEFU_FAULT={setting} is not name:nth:kill|error|delay with a known name.",
        "HEFU_FAULT={setting} 的写法应为 名称:次数:kill|error|delay，且名称须已知。",
    ),
    "fault.injected": _m("A test made this fail on purpose at {name}.", "测试在 {name} 处有意制造了故障。"),
    "guard.shape": _m(
        "The release gate stopped the answer: it is not of the announced shape. Nothing was released; the charge stays.",
        "发布闸门拦下了结果：其形状与事先公布的不符。没有发布任何内容；费用不退。",
    ),
    "guard.other": _m("The release belongs to another computation than {computation}.", "该发布不属于计算 {computation}。"),
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
    "offer.fixed": _m(
        "The offer {offer} is not open to changes. Request it as it stands, or ask the provider for another offer.",
        "报价 {offer} 不接受修改。请按原样申请，或请提供方另出报价。",
    ),
    "negotiation.differs": _m(
        "The request does not fit the data product it names, at {where}. Fetch the product again and request anew.",
        "申请与其所指的数据产品在 {where} 处不符。请重新获取产品后再申请。",
    ),
    "agreement.differs": _m(
        "The agreement differs at {where} from what was offered and requested. Do not sign it; negotiate anew.",
        "合约在 {where} 处与报价和申请不符。请勿签署，应重新协商。",
    ),
    "state.refused": _m(
        "In state {state} the {machine} takes no move {move} from the {role}. Read its present state and go on from there.",
        "{machine} 处于 {state} 状态，不接受 {role} 的 {move} 操作。请读取其当前状态后继续。",
    ),
}
_BROKER: dict[str, Message] = {}
_CONNECTOR: dict[str, Message] = {
    "contract.ended": _m(
        "Agreement {agreement} was ended by a party at {since}. Negotiate a new one.", "合约 {agreement} 已于 {since} 由一方终止。请重新协商。"
    ),
    "contract.not_in_force": _m(
        "Agreement {agreement} is in force from {begin} to {end}, not now.", "合约 {agreement} 的有效期为 {begin} 至 {end}，当前不在有效期内。"
    ),
    "contract.snapshot": _m(
        "The data is not the snapshot that agreement {agreement} pins. Ask the provider for a new agreement.",
        "数据与合约 {agreement} 约定的快照不符。请与提供方重新签约。",
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
    # end of storage
}
_PRODUCT: dict[str, Message] = {}
_ENGINE: dict[str, Message] = {}
_COMMANDS: dict[str, Message] = {}
_AUDIT: dict[str, Message] = {}

MESSAGES: Mapping[str, Message] = (
    _GROUND | _LOG | _POLICIES | _BROKER | _CONNECTOR | _PRODUCT | _ENGINE | _COMMANDS | _AUDIT
)
