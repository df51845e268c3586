"""What the commands' help says in Chinese: one table by the English text, applied to a parser that is built already.

A parser knows its language before it reads its words (`hefu.terminal.commands.language`), so it is turned as a whole.
What has no line here stays English; a test holds every command against the table. What operators use stands in
`hefu.terminal.helps_operating`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Final

from hefu.terminal.helps_auditing import AUDITING
from hefu.terminal.helps_operating import OPERATING

_LIMITS: Final = "，例如 epsilon=0.8、valid_days=90、column=age,region 或 budget=4；可多次给出"
_EXAMPLES: Final = ", such as epsilon=0.8, valid_days=90, column=age,region or budget=4; may be given many times"

HELPS: Final[Mapping[str, str]] = {
    **OPERATING,
    **AUDITING,
    # every command
    "show this help message and exit": "显示本帮助并退出",
    "answer with one JSON document, for machines": "以一个 JSON 文档作答，供程序使用",
    "language of messages (default: HEFU_LANG, then LANG)": "消息语言（默认依次取 HEFU_LANG、LANG）",
    "the connector's directory (default: HEFU_DIR, then ./hefu-connector)":
        "连接器目录（默认依次取 HEFU_DIR、./hefu-connector）",
    "a new file (default: the terminal)": "新文件（默认输出到终端）",
    # budget, release
    "privacy budgets: granted, spent, left": "隐私额度：授予、已用、剩余",
    "show what is granted, spent and left, by asset and by contract; with uses, time and money":
        "按资产与合约查看授予、已用与剩余的额度，以及次数、时长与金额",
    "only this agreement (agr-…) or asset (res-…)": "仅此合约（agr-…）或资产（res-…）",
    "what left this provider, to whom, under which clause": "本提供方向谁发布了什么、依据哪一条款",
    "list what left, to whom, under which clause, and what was refused":
        "列出已发布内容、接收方、所依条款，以及被拒绝的请求",
    "at most so many, newest first (default: 50)": "最多条数，新的在前（默认 50）",
    # compute score
    "have records scored by a model; they are encrypted, and its provider sees none of them":
        "由模型为记录评分：记录全程加密，提供方看不到任何一条",
    "the product that is a model, such as prd-…": "作为模型的产品，例如 prd-…",
    "a CSV file with a column for each feature": "CSV 文件，每个特征一列",
    "records of one request, at most, in whole blocks (default: as many as fit)":
        "单次请求的最多记录数，按整块计（默认：尽可能多）",
    "a new CSV file: other columns, and the score": "新的 CSV 文件：其余各列与评分",
    # catalog
    "find what others offer": "查找他方提供的产品",
    "search the catalog; without words it lists everything you may see": "检索目录；不给关键词则列出可见的全部产品",
    "show one product: columns, privacy, offers and their policies": "查看一个产品：列、隐私、报价及其策略",
    "words in Chinese or English; all must match": "中文或英文关键词，须全部匹配",
    "only products of this participant": "仅此参与方的产品",
    "only products with this keyword": "仅含此关键词的产品",
    "the product's id, such as prd-…": "产品标识，例如 prd-…",
    # contract
    "request, approve and end contracts": "申请、批准与终止合约",
    "ask a provider for a contract on one of its offers": "就提供方的某一报价申请合约",
    "list negotiations and agreements, and on whom each waits": "列出协商与合约，以及各自在等待哪一方",
    "show one contract: parties, terms, budget, signatures": "查看一份合约：各方、条款、额度、签名",
    "print a link that opens the page of a contract in a browser, once and within five minutes":
        "输出一个链接，五分钟内可在浏览器中打开一次合约页面",
    "print a link that opens the catalog in a browser, once and within five minutes":
        "输出一个链接，五分钟内可在浏览器中打开一次目录",
    "the log instead, with what you may read of it": "改为打开日志，内容以您有权阅读者为限",
    "agree to a request that waits for your approval": "同意一项等待你批准的申请",
    "end a negotiation or an agreement; acts at once": "终止协商或合约，立即生效",
    "offer a product of yours to a named consumer": "将你方的产品主动报价给指定的使用方",
    "the consumer to whom you offer it": "报价所面向的使用方",
    "another term than the published offer's, for this consumer alone" + _EXAMPLES:
        "仅面向该使用方、与已发布报价不同的条款" + _LIMITS,
    "show or set what you accept without being asked; nobody else is told":
        "查看或设定未经询问即可接受的范围；不告知他方",
    "for one product only, in place of the limits for all": "仅用于某一产品，取代适用于所有产品的设定",
    "accept so many at most; sets all limits anew": "最多自动接受的份数；设定后全部重新计算",
    "the most to be paid at once, such as CNY=100; without it nothing is paid":
        "单次支付的上限，例如 CNY=100；不设则不付费",
    "a duty that you take on, such as odrl:inform; without it none but the log":
        "可承担的义务，例如 odrl:inform；不设则仅限日志",
    "a computation that must be permitted, such as hefu:dpQuery": "须获允许的计算，例如 hefu:dpQuery",
    "accept that data is delivered; without it nothing is": "接受数据交付；不设则不接受",
    "a term that must be reached, such as epsilon=0.5, budget=2 or column=age,region":
        "须达到的条款，例如 epsilon=0.5、budget=2 或 column=age,region",
    "a provider whose offers are accepted though you did not ask; needs --purpose":
        "可接受其主动报价的提供方；须同时指明 --purpose",
    "what for, in the acceptance of such an offer": "接受此类报价时声明的使用目的",
    "accept nothing without being asked any more": "不再自动接受任何报价",
    "what for; where the provider began with an offer to you": "使用目的；协商由提供方主动报价发起时需指明",
    "list what waits for your decision: requests, offers and counter-offers":
        "列出等待你决定的事项：申请、报价与还价",
    "answer a request or a counter-offer with other terms": "以其他条款答复申请或还价",
    "accept a provider's offer or counter-offer as it stands": "原样接受提供方的报价或还价",
    "end a negotiation that waits for you": "终止等待你方的协商",
    "show every round: who, when, what, before and after": "查看每一轮：何人、何时、何事、之前与之后",
    "stop every use of an agreement until you resume it; acts at once": "停止合约的一切使用，直至你方恢复，立即生效",
    "let a suspended agreement be used again": "恢复使用已中止的合约",
    "list what is owed under contracts: by whom, until when, who confirms it":
        "列出合约下的应尽义务：由谁履行、期限、由谁确认",
    "state that a duty was performed: approve, confirm a payment, attest, inform":
        "声明某项义务已履行：批准、确认付款、证明、告知",
    "state that your consumer did what the contract forbids; its remedies are due":
        "声明使用方违反了合约的禁止条款；其补救义务随即生效",
    "the prohibition's id, as hefu contract show tells it": "禁止条款标识，见 hefu contract show",
    "the computation (cmp-…) with whose result it was done": "违约所涉计算（cmp-…）",
    "list what is not as was agreed, and what interrupted or ended a contract":
        "列出与约定不符之处，以及合约的中止与终止",
    "write an agreement as a Chinese digital contract (TC609-6-2025-14)": "将合约导出为数字合约（TC609-6-2025-14）",
    "the offer; may be left out where the product has one only": "报价；产品只有一个报价时可省略",
    "what for, such as dpv:ScientificResearch": "使用目的，例如 dpv:ScientificResearch",
    "another term than the offer's" + _EXAMPLES: "与报价不同的条款" + _LIMITS,
    "a product of a further provider that signs the same contract; may be given several times":
        "由另一提供方共同签署本合约的产品；可多次给出",
    "a participant that carries out joint computations": "执行联合计算的参与方",
    "for the contract to be in force, at most 60 (default 5)": "等待合约生效的秒数，最多 60（默认 5）",
    "for the contract to be in force, at most 60 (default 0)": "等待合约生效的秒数，最多 60（默认 0）",
    "id of the agreement (agr-…) or negotiation (neg-…)": "合约（agr-…）或协商（neg-…）标识",
    "why, in a sentence; the other party and the log will have it": "一句话说明原因；对方与日志都会收到",
    "id of the negotiation (neg-…)": "协商标识（neg-…）",
    "a term and its new value; the others stay as the other side has them" + _EXAMPLES:
        "条款及其新值；其余条款维持对方所提" + _LIMITS,
    "why, in a sentence; the other party has it": "一句话说明原因；对方会收到",
    "id of the agreement (agr-…)": "合约标识（agr-…）",
    "id of the agreement (agr-…); all where left out": "合约标识（agr-…）；省略则为全部",
    "its id, or its action where one duty only has it, such as hefu:obtainApproval":
        "义务标识；若仅一项义务使用该动作，也可写动作，例如 hefu:obtainApproval",
    "the computation (cmp-…) that waits for it, or after which it is owed (default: the whole agreement)":
        "等待该义务或使其产生的计算（cmp-…）（默认：整份合约）",
    "where the proof lies, such as the number of an invoice": "凭证所在，例如发票号码",
    "the standard (default: tc609)": "所依标准（默认 tc609）",
    "the registered 18 characters (统一社会信用代码) of a party; others get a stand-in that begins with Z":
        "某一方登记的 18 位统一社会信用代码；其余各方以 Z 开头的占位码代替",
    'four digits of GB/T 2260, or "00" and two of GB/T 4754': "GB/T 2260 的四位数字，或 00 加 GB/T 4754 的两位",
    # compute
    "ask private statistics under a contract": "依据合约进行隐私统计",
    "ask a query under a contract, and print the answer with its error and cost":
        "依据合约查询，并给出答案、误差与费用",
    "tell cost and expected error of a query; needs an offer only, charges nothing":
        "估算查询的费用与预期误差；只需报价，不扣减额度",
    "show one computation with its answer; without an id, list all": "查看一次计算及其答案；不给标识则列出全部",
    "follow a computation until it ends, then show it": "跟踪计算至结束并显示结果",
    "stop a computation; what was charged stays charged": "停止计算；已扣减的额度不退",
    'SQL, such as "SELECT sex, COUNT(*) FROM data GROUP BY sex"':
        "SQL，例如 SELECT sex, COUNT(*) FROM data GROUP BY sex",
    "the typed plan instead of SQL": "以类型化计划代替 SQL",
    "privacy loss to spend, such as 0.5 (needed with SQL)": "所用隐私损失，例如 0.5（使用 SQL 时必填）",
    "pick the least loss at which no answer is further off (95 %%), such as 2%% or 50; "
    "--epsilon or --rho is then the most to spend":
        "选取使各结果误差（95 %%）不超过此值的最小损失，如 2%% 或 50；此时 --epsilon 或 --rho 为最多可用",
    "ρ to spend instead of ε, where the contract counts in ρ, such as 0.01": "以 ρ 代替 ε（合约以 ρ 计量），例如 0.01",
    "without noise and without differential privacy, where the contract permits it; costs one exact release":
        "不加噪声、无差分隐私（须合约许可）；扣减一次精确发布",
    "δ to spend (default: 0)": "所用 δ（默认 0）",
    "the agreement, such as agr-…": "合约，例如 agr-…",
    "the agreement on the product that the query joins, such as agr-…": "查询所连接产品的合约，如 agr-…",
    "the agreement, such as agr-…; given several times, each provider is asked and the answers are combined":
        "合约，例如 agr-…；可多次给出，将分别询问各提供方并合并答案",
    "write its table too, with intervals and metadata": "另写出其表格，含区间与元数据",
    "a new file for the table": "用于写出表格的新文件",
    "try it on a synthetic sample of hefu compute sample; nothing is asked or charged":
        "在 hefu compute sample 生成的合成样本上试算；不提问，不扣减",
    # hefu compute total
    "ask several providers for one total of which nobody sees a part":
        "向多家提供方求一个合计，任何人均看不到其中一方的部分",
    'SQL of counts and sums, such as "SELECT class, SUM(kwh) AS kwh FROM data GROUP BY class"':
        "计数与求和的 SQL，例如 SELECT class, SUM(kwh) AS kwh FROM data GROUP BY class",
    "the agreement with one provider; give three or more": "与一家提供方的合约；须给出三份或更多",
    "privacy loss to spend at each provider, such as 0.5": "在每家提供方所用的隐私损失，例如 0.5",
    "δ to spend beside it, such as 1e-6 (default: 0)": "另用的 δ，例如 1e-6（默认 0）",
    "ρ to spend instead of ε, where the contracts count in ρ, such as 0.01":
        "以 ρ 代替 ε（合约以 ρ 计量时），例如 0.01",
    "the provider that adds up (default: the first by name)": "负责汇总的提供方（默认：按名称排在最前的一家）",
    "of how many providers the noise alone is enough (default: the least that is more than half)":
        "多少家提供方的噪声即已足够（默认：刚过半数）",
    "a factor for each group, such as emissions a unit: multiplied here, and added up":
        "每个分组的系数，例如单位排放量；在本地相乘并求和",
    "what for (default: the first contract's purpose)": "使用目的（默认取第一份合约的目的）",
    "have synthetic rows drawn from noised counts, to try queries on": "由加噪计数生成合成行，供试写查询",
    "a new file for the rows: .parquet or .arrow, on which queries can be tried, or .csv":
        "用于写出各行的新文件：.parquet 或 .arrow（可用于试算），或 .csv",
    "how many rows to draw (default: 1000)": "生成的行数（默认 1000）",
    "privacy loss to spend, such as 1": "所用隐私损失，例如 1",
    "two columns that are counted together; may be given several times (default: the pairs of fewest groups that join "
    "all columns)":
        "共同计数的两列；可多次给出（默认：以分组最少的列对连接所有列）",
    "a column to count (default: all that can be)": "要计数的列（默认：所有可计数的列）",
    "into how many bins a number's range is cut (default: 10, or fewer where columns are many)":
        "数值范围划分的区间数（默认 10，列多时更少）",
    "the agreement, such as agr-… (default: the only one in force)": "合约，例如 agr-…（默认：唯一生效的合约）",
    "draw from what this computation released before, and ask nothing": "由此前该计算已发布的结果生成，不再提问",
    "an agreement, such as agr-…": "合约，例如 agr-…",
    "the product that is asked, where the contract has several": "合约含多个产品时所查询的产品",
    "what for (default: the contract's purpose)": "使用目的（默认取合约的目的）",
    "send it and return; see hefu compute watch": "发出后即返回；见 hefu compute watch",
    "the data product, such as prd-…": "数据产品，例如 prd-…",
    "id of the computation (cmp-…)": "计算标识（cmp-…）",
    "write its receipt there too, as hefu verify reads it": "另将其回执写入该文件，供 hefu verify 读取",
    # delivery
    "have data delivered under a contract; read, export and delete it": "依据合约取得交付数据，并读取、导出与删除",
    "have rows or a file delivered under a contract, and wait for them": "依据合约请求交付行数据或文件，并等待到达",
    "list what was delivered here, until when it is kept, and what is deleted":
        "列出已交付的数据、保存期限与已删除的数据",
    "show one delivery and the proof that it was deleted": "查看一次交付及其删除证明",
    "read a delivery, if its contract permits it now; the use is journalled":
        "在合约当前许可时读取交付数据；使用会留痕",
    "write a delivery to a file outside the connector, if its contract permits":
        "在合约许可时将交付数据写到连接器之外的文件",
    "delete a delivery now; the signed proof goes to its provider and the log":
        "立即删除交付数据；签名证明送达提供方与日志",
    "raw, masked, sampled or anonymised (default: the contract's)": "raw、masked、sampled 或 anonymised（默认依合约）",
    "names with commas between (default: all that the contract names)": "以逗号分隔的列名（默认为合约所列的全部）",
    "at most so many (default: as many as the contract allows)": "最多数量（默认为合约允许的上限）",
    "of the units, for a sample (default: the contract's)": "抽样时所占单元比例（默认依合约）",
    "id of the delivery (cmp-…)": "交付标识（cmp-…）",
    "show at most so many rows (default: all)": "最多显示的行数（默认全部）",
    "a new file: CSV for rows, the bytes of a file": "新文件：行数据为 CSV，文件为原始字节",
    # policy
    "policies in plain words: templates, checks, tests, what would be permitted":
        "以通俗语言处理策略：模板、检查、测试、何种请求可获许可",
    "list the ready-made policies; with a name, its parameters and its JSON":
        "列出现成策略；给出名称则显示其参数与 JSON",
    "say in plain words what a policy permits, forbids and demands": "以通俗语言说明策略的许可、禁止与要求",
    "find clauses that clash, and what is well formed but careless": "找出相互冲突的条款，以及合规但疏漏之处",
    "write a policy in the profile's form or in plain ODRL 2.2": "以本规范形式或普通 ODRL 2.2 写出策略",
    "decide the cases of a file, and tell which come out otherwise than expected":
        "裁决文件中的用例，并指出与预期不符者",
    "what would this permit? Describe a request; the nearest permitted one is told":
        "何种请求可获许可？描述一个请求，即给出最接近的可许可请求",
    "tell a request that one policy permits and the other refuses, both ways":
        "给出一策略许可而另一策略拒绝的请求，双向比较",
    "make the decision behind a receipt again, from its own facts": "依据回执自带的事实重新作出裁决",
    "a template": "模板",
    "a parameter of the template (a list with commas); see hefu policy templates NAME":
        "模板参数（列表以逗号分隔）；见 hefu policy templates 模板名",
    "write the policy's JSON to a new file": "将策略的 JSON 写入新文件",
    "a file (policy, product or agreement, JSON or YAML), a template's name, or a contract (agr-…)":
        "文件（策略、产品或合约，JSON 或 YAML）、模板名，或合约（agr-…）",
    "exit with 1 for warnings too": "有警告时也以 1 退出",
    "hefu: the form that is signed and sent, also in the Dataspace Protocol; odrl: the W3C's own JSON-LD":
        "hefu：用于签名与传输的形式，亦用于 Dataspace Protocol；odrl：W3C 的 JSON-LD",
    "a new file for it; else it is printed": "写入新文件；否则直接输出",
    "cases in YAML or JSON; its policy is named in it, or by --policy":
        "YAML 或 JSON 用例；策略在其中指明，或用 --policy",
    "the policy: a file, a template or a contract": "策略：文件、模板或合约",
    "what is asked for, such as hefu:dpQuery": "所请求的操作，例如 hefu:dpQuery",
    "what is known, such as epsilon=0.9 column=age,region": "已知事实，例如 epsilon=0.9 column=age,region",
    "a receipt, or the owner's record, as a file; or, at its provider, a computation (cmp-…)":
        "回执或所有者记录的文件；在其提供方也可为计算标识（cmp-…）",
    "the signed agreement, or its id at the running connector": "已签名的合约，或其在运行中连接器的标识",
    "an evidence bundle that holds the agreement": "含该合约的证据包",
    # model
    "models that are served on encrypted records": "在密态记录上提供服务的模型",
    "make a model's file of a table of coefficients, or of a scorecard's points": "由系数表或评分卡分值生成模型文件",
    "a CSV file: feature,weight,lower,upper (unit, mean, scale) and a line (intercept); or feature,from,to,points "
    "or feature,value,points and a line (base)":
        "CSV 文件：feature,weight,lower,upper（可加 unit、mean、scale）与一行 (intercept)；"
        "或 feature,from,to,points、feature,value,points 与一行 (base)",
    "a new file for the model": "用于写入模型的新文件",
    "identity: the linear score; ranking: the order of the records of a request; logistic: its logistic value "
    "(default: identity)":
        "identity：线性得分；ranking：同一请求内记录的次序；logistic：其逻辑值（默认 identity）",
    "the grid of what is released, 0.0001 at least (default: 0.01)": "所发布答复的取整步长，至少 0.0001（默认 0.01）",
    # product
    "describe and publish data products": "描述并发布数据产品",
    "write a product file from a source's columns; it marks what you must decide":
        "由数据源的列生成产品文件，并标出须由你决定之处",
    "tell every mistake in a product file, with its line and what to write":
        "指出产品文件中的每处错误、所在行与正确写法",
    "sign and publish a product file; again, it becomes the next version": "签名并发布产品文件；再次发布即为下一版本",
    "list your own products, retired ones too": "列出你方产品，含已下架者",
    "take a product off the catalog; its contracts go on": "将产品移出目录；其合约继续有效",
    "show or set how far you go beyond an offer; nobody else is told":
        "查看或设置你方可在报价之外让步的幅度；他人不会得知",
    "a registered source; see hefu source list": "已登记的数据源；见 hefu source list",
    "where to write (default: SOURCE.yaml; - for the terminal)": "写入位置（默认 SOURCE.yaml；- 表示终端）",
    "the product file": "产品文件",
    "why, in a sentence; it is published": "一句话说明原因；会公布",
    "the widest value you would sign without being asked; an empty value removes a limit" + _EXAMPLES:
        "无须询问即可签署的最宽取值；空值表示取消该限度" + _LIMITS,
    "what to do with a request that goes further: answer with what both can live with, or let it wait for you":
        "如何处理超出限度的申请：以双方都可接受的条款答复，或留待你方决定",
}  # fmt: skip
_TITLES: Final[Mapping[str, str]] = {
    "options": "选项", "positional arguments": "参数", "commands": "命令",
}  # fmt: skip


def in_chinese(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Turn a parser and all below it into Chinese, as far as the table goes; what it reads stays the same."""
    for group in parser._action_groups:
        group.title = _TITLES.get(group.title or "", group.title)
    if parser.description:
        parser.description = _sentence(parser.description)
    parser.epilog = HELPS.get(parser.epilog or "", parser.epilog)
    for action in parser._actions:
        action.help = HELPS.get(action.help or "", action.help)
        if isinstance(action, argparse._SubParsersAction):
            for each in action._choices_actions:
                each.help = HELPS.get(each.help or "", each.help)
            for below in action.choices.values():
                in_chinese(below)
    return parser


def _sentence(description: str) -> str:
    """A description is the help of its command as a sentence: `hefu_connector.commands.link.command`."""
    bare = description.removesuffix(".")
    known = HELPS.get(description) or HELPS.get(bare[:1].lower() + bare[1:])
    return f"{known}。" if known else description
