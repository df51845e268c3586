"""The Chinese of the questions that auditors ask, and of what may be given to them: a part of the table of `helps`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

AUDITING: Final[Mapping[str, str]] = {
    "fetch what is new of the log into this auditor's verified copy": "将日志的新增部分取入本审计方经验证的副本",
    "also write the whole log as a bundle, and verify it again as anybody can":
        "同时将整个日志写为证据包，并如任何人所能地再次验证",
    "forget the copy and fetch and verify everything again": "弃置副本，重新取得并验证全部",
    "Exit code: 0 it holds or is answered, 1 something was found, 2 the question is malformed.":
        "退出码：0 成立或已作答，1 有发现，2 问题有误。",
    "also write a signed report: a folder, or a file ending in .json or .html":
        "同时写出签名报告：文件夹，或以 .json、.html 结尾的文件",
    "verify a signed report": "验证签名报告",
    "verify a report: its auditor's signature and certification, its checkpoint, its answer":
        "验证报告：审计方的签名与认证、检查点、答复",
    "a report, .json or .html": "报告，.json 或 .html",
    "answer every question in one table; those that need a name, of what was released last":
        "在一张表中回答所有问题；须指定对象者，取最近一次发布",
    # what is asked
    "is the log whole, an extension of what I saw before, and the one that others see":
        "日志是否完整、是否延续我先前所见、与他人所见是否相同",
    "was anything removed, reordered or back-dated in a period": "某时段内有无删除、调序或倒填日期",
    "everything under a contract, in order: who signed, when, what it cost":
        "一份合约下的全部事项，按序：何人签署、何时、消耗多少",
    "which data was used, by whom, for what purpose, under which agreement":
        "哪些数据被使用、由谁、为何目的、依何合约",
    "where a result comes from: request, contract, clause, data, program, approvals":
        "结果的来源：请求、合约、条款、数据、程序、批准",
    "was each computation permitted by the policy then in force": "每次计算是否为当时有效的策略所允许",
    "the budget of an asset, added up again from receipts: granted, spent, overspent":
        "由回执重新累计的资产额度：授予、已用、超支",
    "what was refused, by reason": "被拒绝的事项，按原因",
    "releases without a contract, requests without a result, results without a request":
        "无合约的发布、无结果的请求、无请求的结果",
    "do two organisations' journals and the log agree": "两个组织的日志链与日志是否一致",
    "who held which key and role at a time, and was a revoked one used afterwards":
        "某时何人持有何密钥与角色，已吊销者其后是否仍被使用",
    "what did regulators and administrators read, change or order": "监管方与管理员查阅、更改或命令了什么",
    "did all signers and witnesses see one log": "所有签名方与见证方所见是否为同一日志",
    "the record of processing of an organisation": "组织的处理活动记录",
    "what must be deleted by when, what is proven, what is overdue": "何者应于何时删除、何者已证明、何者逾期",
    "what went to third parties and across borders, with which legal basis":
        "向第三方与跨境提供了什么、依何法律依据",
    "is an event absent; has a contract no more events": "某事件是否不存在；某合约是否再无事件",
    "who was silent, and when did the log stand still": "谁曾静默，日志何时停滞",
    "entries drawn by lot from a public seed, with proofs": "由公开种子抽取的条目及其证明",
    "who could see a product": "谁能看到某产品",
    "what an organisation did between two times": "某组织在两个时间之间做了什么",
    "which releases used a version of a product": "哪些发布使用了产品的某一版本",
    "was a policy in force at a time": "某策略在某时是否有效",
    # what is given
    "from this time on, such as 2026-11-01 or 2026-11-01T08:00:00Z":
        "自此时起，例如 2026-11-01 或 2026-11-01T08:00:00Z",
    "up to this time, which is not in it any more": "至此时止（不含）",
    "at this time (default: the newest time in the log)": "于此时（默认为日志中最新时间）",
    "the participant, such as hospital-a": "参与方，例如 hospital-a",
    "a checkpoint you kept; may be given many times": "您保存的检查点；可多次给出",
    "a checkpoint that somebody else got; may be given many times": "他人取得的检查点；可多次给出",
    "hash every entry again and compute the whole tree": "重新计算每个条目的哈希与整棵树",
    "only this product, such as prd-…": "仅此产品，例如 prd-…",
    "only this asset, such as res-…": "仅此资产，例如 res-…",
    "only what this participant gave or got": "仅此参与方给出或取得的",
    "the computation, such as cmp-…": "计算，例如 cmp-…",
    "the asset, such as res-…": "资产，例如 res-…",
    "only where the code or a reason has this word": "仅代码或原因含此词者",
    "seconds after which a request should have ended (default: 86400)": "请求应在多少秒内结束（默认 86400）",
    "one participant": "一个参与方",
    "the other participant": "另一个参与方",
    "only under this agreement": "仅此合约之下",
    "NAME=FILE: a participant's own copy, a bundle or one envelope a line; may be given many times":
        "NAME=FILE：参与方自存的副本，证据包或每行一个信封；可多次给出",
    "only what this participant gave or holds": "仅此参与方给出或持有的",
    "an id (stm-…, cmp-…, agr-…) or a digest (sha256:…)": "标识（stm-…、cmp-…、agr-…）或摘要（sha256:…）",
    "list silences longer than so many seconds (default: 3600)": "列出长于多少秒的静默（默认 3600）",
    "how many (default: 50)": "数量（默认 50）",
    "a text that nobody could choose, such as ROOT+DATE (default: the checkpoint's root and the day it was fetched)":
        "无人可择定的文字，例如 ROOT+DATE（默认为检查点树根与取得日期）",
    "the version's digest (sha256:…), or PRODUCT:NUMBER": "版本的摘要（sha256:…）或 PRODUCT:NUMBER",
    "the policy's digest, its id, or the strategy's": "策略的摘要、标识，或所属策略项的标识",
    # a bundle of one contract
    "where to write the bundle (default: AGREEMENT.zip)": "证据包的写入位置（默认 AGREEMENT.zip）",
    "write one contract with its proofs as a bundle that hefu verify verifies":
        "将一份合约及其证明写为可由 hefu verify 验证的证据包",
    "under this earlier checkpoint of this auditor (a size), with the proof that the newest extends it":
        "以本审计方较早的检查点（长度）为准，并附最新检查点为其延续的证明",
}  # fmt: skip
