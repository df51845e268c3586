"""What to write at each key of a product file, in both languages: with a mistake, and beside a draft's decisions."""

from __future__ import annotations

from collections.abc import Mapping

from hefu.messages import Message


def _m(en: str, zh: str) -> Message:
    return {"en": en, "zh": zh}


REMEDIES: Mapping[str, Message] = {
    # the file itself
    "yaml": _m(
        "Indent with spaces, put a space after each colon, quote texts that contain a colon.",
        "请用空格缩进，冒号后留一个空格，含冒号的文本请加引号。",
    ),
    "draft": _m("Start from: hefu product draft SOURCE", "请先执行：hefu product draft SOURCE"),
    "plain": _m(
        "Write plain keys, texts, numbers, lists and mappings; no anchors, aliases, tags or deep nesting.",
        "只写普通的键、文本、数字、列表与映射；不要用锚点、别名、标签或过深的嵌套。",
    ),
    "twice": _m("Keep one of them.", "请只保留一个。"),
    # top level
    "apiVersion": _m("Write apiVersion: hefu/v1.", "请写 apiVersion: hefu/v1。"),
    "kind": _m("Write kind: DataProduct.", "请写 kind: DataProduct。"),
    "product": _m(
        "Keep the id that `hefu product draft` wrote; publishing it again makes the next version.",
        "请保留 hefu product draft 写下的标识；再次发布即为下一版本。",
    ),
    "title": _m(
        "Write a title in Chinese, English or both: {zh: …, en: …}.", "请写中文或英文（或两者）标题：{zh: …, en: …}。"
    ),
    "description": _m(
        "Say in a few sentences what a row is, where it comes from and how it was collected.",
        "请用几句话说明一行数据代表什么、来自何处、如何采集。",
    ),
    "keywords": _m("Write a list of words, such as [health, 住院].", "请写词语列表，如 [health, 住院]。"),
    "source": _m(
        "Write the name of a registered source; see hefu source list.", "请写已登记的数据源名称；见 hefu source list。"
    ),
    "snapshot": _m("Write latest, or pinned:sha256:… .", "请写 latest 或 pinned:sha256:… 。"),
    # columns
    "columns": _m(
        "List each column that may be used, with name and type; leave out the others.",
        "请列出允许使用的各列的 name 与 type；其余列不写即可。",
    ),
    "name": _m("Write the name.", "请写名称。"),
    "type": _m(
        "Write integer, decimal, text, boolean, date or timestamp.",
        "请写 integer、decimal、text、boolean、date 或 timestamp。",
    ),
    "bounds": _m(
        "Write {lower: …, upper: …, granularity: …}: of what may occur, not of what did occur, for values outside are "
        "moved to the nearest bound. Delete the line if nobody may sum the column.",
        "请写 {lower: …, upper: …, granularity: …}：应为可能出现的范围，而非已出现的范围，越界的值会移至最近的边界。"
        "若无人可对该列求和，请删除此行。",
    ),
    "lower": _m("Write the least value that may occur.", "请写可能出现的最小值。"),
    "upper": _m("Write the largest value that may occur.", "请写可能出现的最大值。"),
    "granularity": _m(
        "Write the step to which values are rounded, such as 1 or 0.01.", "请写数值取整的步长，如 1 或 0.01。"
    ),
    "categories": _m(
        "List the values that may be group keys; all of them are public.", "请列出可作为分组键的值；它们都是公开的。"
    ),
    "sensitivity": _m(
        "Write public, internal, sensitive, quasi-identifier, personal or identifier; deliveries are processed by it.",
        "请写 public、internal、sensitive、quasi-identifier、personal 或 identifier；交付时按此处理。",
    ),
    "nullable": _m("Write true if values may be missing, else false.", "若可缺值请写 true，否则写 false。"),
    # privacy
    "privacy": _m(
        "Write unit, max_contribution and lifetime: whose privacy is kept, and how much may ever be lost.",
        "请写 unit、max_contribution 与 lifetime：保护谁的隐私，以及终身最多可损失多少。",
    ),
    "unit": _m(
        "Write the column that names whose privacy is kept (a patient's or customer's number), "
        "or row if every row is about somebody else.",
        "请写标识被保护个体的列（如患者号、客户号）；若每行各属不同个体，请写 row。",
    ),
    "max_contribution": _m(
        "Write how many rows of one privacy unit any release may read; more rows than that are left out. "
        "1 if unit is row.",
        "请写一次计算至多读取同一隐私单元的多少行；超出的行不参与。unit 为 row 时写 1。",
    ),
    "lifetime": _m(
        "Write {epsilon: …, delta: 0, releases: …}: the total over all products, contracts and time; it never grows.",
        "请写 {epsilon: …, delta: 0, releases: …}：涵盖所有产品、合约与时间的总额，永不增加。",
    ),
    "epsilon": _m(
        "Write a decimal above 0, such as 0.5; 0 where only deliveries are offered.",
        "请写大于 0 的小数，如 0.5；仅提供数据交付时写 0。",
    ),
    "rho": _m(
        "Write a decimal above 0, such as 0.05, in place of epsilon: the budget is then counted in rho of zCDP.",
        "请写大于 0 的小数（如 0.05）以代替 epsilon：额度即以 zCDP 的 rho 计。",
    ),
    "delta": _m("Write a decimal from 0 to below 1, such as 0 or 1e-9.", "请写 0 至 1（不含）的小数，如 0 或 1e-9。"),
    "releases": _m("Write how many answers may leave.", "请写最多可发布多少次结果。"),
    # a model
    "model": _m(
        "Write kind: Model, and model: {digest: …, answer: …, step: …, suite: …, tolerance: …} as hefu product draft "
        "makes it of the model's file; for a table neither.",
        "请写 kind: Model，以及 hefu product draft 由模型文件生成的 model: {digest: …, answer: …, step: …, suite: …, "
        "tolerance: …}；数据表两者均不写。",
    ),
    "digest": _m("Keep what hefu product draft wrote of the model's file.", "请保留 hefu product draft 所写内容。"),
    "answer": _m("Write identity, ranking, logistic or decision.", "请写 identity、ranking、logistic 或 decision。"),
    "step": _m("Write the grid of the answers, such as 0.01.", "请写答复的取整步长，如 0.01。"),
    "suite": _m(
        "Keep what hefu product draft wrote, such as ckks-linear.", "请保留 hefu product draft 所写，如 ckks-linear。"
    ),
    "tolerance": _m("Keep what hefu product draft wrote.", "请保留 hefu product draft 所写内容。"),
    # governance
    "governance": _m(
        "Write security_grade, personal_data, important_data, legal_basis and cross_border.",
        "请写 security_grade、personal_data、important_data、legal_basis 与 cross_border。",
    ),
    "security_grade": _m("Write 1 (lowest) to 5 (highest).", "请写 1（最低）至 5（最高）。"),
    "personal_data": _m("Write true if rows are about persons.", "若数据涉及个人信息，请写 true。"),
    "important_data": _m("Write true if the data is important data under the law.", "若依法属于重要数据，请写 true。"),
    "legal_basis": _m(
        "Write on what the processing rests, such as consent or public-interest.",
        "请写处理的合法性基础，如 consent 或 public-interest。",
    ),
    "cross_border": _m("Write true if results may leave the country.", "若结果可出境，请写 true。"),
    # offers
    "offers": _m("Write at least one offer: name, policy, budget.", "请至少写一个报价：name、policy、budget。"),
    "policy": _m(
        "Write {template: NAME, …} with the template's parameters, such as template: research-statistics.",
        "请写 {template: 名称, …} 及模板参数，例如 template: research-statistics。",
    ),
    "template": _m("Write the name of a ready-made policy.", "请写现成策略的名称。"),
    "purpose": _m(
        "Write what for, as a term of the Data Privacy Vocabulary, such as dpv:ScientificResearch.",
        "请写使用目的，采用 Data Privacy Vocabulary 的术语，如 dpv:ScientificResearch。",
    ),
    "budget": _m(
        "Write {epsilon: …, delta: 0, releases: …}: what one contract may spend, within the lifetime.",
        "请写 {epsilon: …, delta: 0, releases: …}：单个合约可用额度，不得超过终身额度。",
    ),
    "approval": _m(
        "Write automatic, or manual if one of you decides on each request.",
        "请写 automatic；若逐一人工审批，请写 manual。",
    ),
    "visibility": _m(
        "Write members, public (strangers too), or a list of the participants that may see the offer.",
        "请写 members、public（含空间之外的人），或可见该报价的参与方列表。",
    ),
    # beside a draft's decisions
    "draft_bounds": _m(
        "lower and upper of what may occur, not of what did occur: {lower: 0, upper: 120, granularity: 1}; "
        "delete the line if nobody may sum it",
        "可能出现而非已出现的上下界：{lower: 0, upper: 120, granularity: 1}；若无人可求和，请删除此行",
    ),
    "draft_lifetime": _m(
        "the most that may ever be lost, over all products, contracts and time; it never grows",
        "终身总额，涵盖所有产品、合约与时间，永不增加",
    ),
    "model_columns": _m(
        "all features of the model, in its order; a description of each tells consumers what to put in",
        "模型的全部特征，顺序与模型一致；请为各特征写明含义，以便使用方填写",
    ),
    "draft_feature": _m("what it is and how it is measured", "含义与测量方式"),
    "draft_answers": _m(
        "how many records are answered for ever, all contracts together, by whole blocks of 4096 (logistic: 8192); one "
        "block of answers is enough to rebuild a linear model",
        "永久至多答复多少条记录（所有合约合计），按整批 4096 条（logistic 为 8192 条）计；一批答复即足以还原线性模型",
    ),
    "draft_own_answers": _m(
        "how many records one contract answers, by whole blocks", "一份合约至多答复多少条记录，按整批计"
    ),
    "draft_budget": _m("what one contract may spend, within the lifetime", "单个合约可用额度，不超过终身额度"),
    "valid_days": _m("Write for how many days a contract lasts, 1 to 3660.", "请写合约有效天数，1 至 3660。"),
    "offline": _m(
        "Write {window_seconds: 0 to 86400, share_percent: 0 to 100}: what goes on while the broker is away.",
        "请写 {window_seconds: 0 至 86400, share_percent: 0 至 100}：平台不可达期间允许的范围。",
    ),
}
