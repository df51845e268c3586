"""How the demo shows what happened: short tables, in English or Chinese."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hefu.terminal.commands import Cell as TableCell
from hefu.terminal.commands import Output, pick

from hefu_space.harness import Answer
from hefu_space.infer import Inferred
from hefu_space.products import Product, Texts
from hefu_space.questions import Cell, Question

if TYPE_CHECKING:
    from hefu_space.space import Space

_NANO = Decimal(10) ** -9
_SHOWN_LINES = 22


def inferred(output: Output, path: Path, found: Inferred) -> None:
    """Say loudly what was decided about somebody's file."""
    output.say(
        f"You are the provider in this demo: bounds and categories of {path.name} were READ FROM THE DATA and rounded\n"
        "outward. A real provider declares them from what may occur, for reading them tells something about the data.\n"
        "Every row is taken to be about somebody else. Nothing leaves this machine.",
        f"在本演示中您就是数据提供方：{path.name} 的取值范围与类别系由数据读出并向外取整。\n"
        "真实的提供方应按可能出现的值来声明，因为由数据读出会泄露信息。每行视为不同个体。数据不会离开本机。",
    )
    if found.left_out:
        names = ", ".join(found.left_out)
        output.say(f"Left out, no use to statistics: {names}.", f"未采用（不适于统计）：{names}。")
    for name, heading in found.renamed.items():
        output.say(f"Column {heading!r} is called {name}.", f"列“{heading}”改称 {name}。")


def processes(output: Output, space: Space) -> None:
    """Who runs, in which process."""
    rows = [
        (each.name, each.pid, each.ready.get("endpoint") or each.ready.get("port", "")) for each in space.processes()
    ]
    _table(output, (("participant", "参与方"), ("process", "进程"), ("reached at", "地址")), rows)


def product_file(output: Output, product: Product) -> None:
    """The beginning of a product file."""
    lines = product.text().splitlines()
    output.say(f"\n  {product.provider}/{product.source}.yaml:")
    for line in lines[:_SHOWN_LINES]:
        output.say(f"  │ {line if len(line) < 116 else line[:113] + '…'}")
    output.say(
        f"  │ … {len(lines) - _SHOWN_LINES} more lines: governance, offers\n",
        f"  │ … 另有 {len(lines) - _SHOWN_LINES} 行\n",
    )


def in_place(output: Output, sources: Sequence[Mapping[str, Any]]) -> None:
    """Which of a provider's sources is counted by its database."""
    for each in sources:
        if each["options"].get("in_place"):
            output.say(
                f"  {each['name']} stays in PostgreSQL, which counts by itself; only whole numbers by group leave it",
                f"  {each['name']} 留在 PostgreSQL 中就地计数，离开数据库的只有各组的整数",
            )


def listing(output: Output, found: Sequence[Mapping[str, Any]]) -> None:
    """What a search found."""
    rows = [(each["product"], each["provider"], pick(each["title"], output.language)) for each in found]
    _table(output, (("product", "产品"), ("provider", "提供方"), ("title", "标题")), rows)


def estimate(output: Output, question: Question, found: Mapping[str, Any]) -> None:
    """Cost and error of a question, before a contract."""
    output.say(f"  {_in(output, question.title)}")
    rows = [(each["column"], f"± {_round(each['half_width'])}", each["mechanism"]) for each in found["errors"]]
    _table(output, (("column", "列"), ("95 % interval", "95 % 区间"), ("mechanism", "机制")), rows)
    spent = _epsilon(found["charge"])
    output.say(
        f"  ε {spent}, {found['cells']} cells; nothing was charged\n",
        f"  ε {spent}，{found['cells']} 个单元格；未扣减\n",
    )


def contracts(output: Output, found: Sequence[Mapping[str, Any]]) -> None:
    """The agreements in force."""
    rows = [
        (each["agreement"], each["provider"], each["offer"], each["state"], _epsilon(each["balance"]["limit"]))
        for each in found
        if each["balance"]
    ]
    heads = (
        ("agreement", "合约"),
        ("provider", "提供方"),
        ("offer", "报价"),
        ("state", "状态"),
        ("budget ε", "额度 ε"),
    )
    _table(output, heads, rows)


def rounds(output: Output, found: Sequence[Mapping[str, Any]]) -> None:
    """Who said what in a negotiation, before and after."""
    moves = {
        "requested": ("asks", "申请"), "offered": ("counter-offers", "还价"), "accepted": ("accepts", "接受"),
        "agreed": ("signs the agreement", "签署合约"), "verified": ("verifies and signs too", "核验并签署"),
        "finalized": ("confirms", "确认"),
    }  # fmt: skip
    for each in found:
        who = f"{each['participant']} ({each['user']})" if each["user"] else each["participant"]
        steps = [f"{step['name']} {step['before']} → {step['after']}" for step in each["changes"]]
        told = f": {', '.join(steps)}" if steps else ""
        output.say(f"  {each['number']}. {who} {_in(output, moves.get(each['move'], (each['move'],) * 2))}{told}")


def answers(output: Output, question: Question, rows: Sequence[tuple[str, Cell]]) -> None:
    """Answers beside the truth."""
    shown = [
        (
            provider,
            cell.label,
            _in(output, ("withheld", "未给出")) if cell.value is None else _round(cell.value),
            "" if cell.half_width is None else f"± {_round(cell.half_width)}",
            "" if cell.true is None else _round(cell.true),
            "" if cell.value is None else ("✓" if cell.inside else "·"),
        )
        for provider, cell in rows
    ]
    heads = (
        ("provider", "提供方"), ("key", "键"), ("answer", "结果"), ("95 %", "95 %"),
        ("truth (a demo only knows it)", "真值（仅演示可知）"), ("inside", "在区间内"),
    )  # fmt: skip
    _table(output, heads, shown)


def scores(output: Output, found: Mapping[str, Any], off: Decimal, areas: Sequence[Decimal]) -> None:
    """What came of encrypted scores: how near the plain model's they are, and whether they tell as much."""
    under, plain = (f"{each:.4f}" for each in areas)
    output.say(
        f"  {found['records']} samples scored; {found['charged']} records charged, by whole blocks. Furthest from the "
        f"plain model's score: {off:.4f} (stated: {found['tolerance']}).\n"
        f"  Area under the curve against the biopsies: {under}; of the plain model, which a demo only knows: {plain}.\n"
        "  One such block of answers is enough to rebuild a linear model; the product's page says so.\n",
        f"  已评分 {found['records']} 份样本，按整批扣减 {found['charged']} 条。与明文模型得分的最大偏差：{off:.4f}"
        f"（声明为 {found['tolerance']}）。\n"
        f"  相对活检诊断的曲线下面积：{under}；明文模型（仅演示可知）：{plain}。\n"
        "  一批答复即足以还原线性模型，产品页对此有说明。\n",
    )


def refusals(output: Output, told: Sequence[tuple[Texts, Sequence[str]]]) -> None:
    """What was refused, and the reasons given."""
    for name, why in told:
        output.say(f"  ✓ {_in(output, name)}")
        for each in why[:3]:
            output.say(f"      {each}")
    output.say("")


def reasons(answer: Answer) -> list[str]:
    """The reasons in a refused command's answer."""
    document = answer.document or {}
    return (
        [*document.get("reasons", ())] or [*answer.error.get("reasons", ())] or [str(answer.error.get("message", ""))]
    )


def releases(output: Output, found: Sequence[Mapping[str, Any]]) -> None:
    """What left a provider."""
    rows = [
        (
            each["state"],
            each["consumer"],
            each["agreement"][:12] + "…",
            each["clause"],
            each["cells"],
            _epsilon(each["charge"]),
        )
        for each in found[:12]
    ]
    heads = (
        ("state", "状态"), ("to", "接收方"), ("contract", "合约"), ("clause", "条款"), ("cells", "单元格"), ("ε", "ε"),
    )  # fmt: skip
    _table(output, heads, rows)


def budgets(output: Output, accounts: Sequence[Mapping[str, Any]]) -> None:
    """Accounts of a provider."""
    rows = [
        (each["account"], _epsilon(each["limit"]), _epsilon(each["charged"]), _epsilon(each["remaining"]))
        for each in accounts
    ]
    _table(output, (("account", "账户"), ("granted ε", "授予 ε"), ("spent ε", "已用 ε"), ("left ε", "剩余 ε")), rows)


def witness(output: Output, document: Mapping[str, Any]) -> None:
    """What another person's witness cosigned, and whether it refused anything."""
    for origin, head in document.get("logs", {}).items():
        size, refused = head["size"] if head else 0, len(document["evidence"])
        output.say(
            f"  the witness cosigned {size} entries of {origin} and refused {refused} checkpoints",
            f"  见证方已联署 {origin} 的 {size} 个条目，拒绝 {refused} 个检查点",
        )


def verification(output: Output, document: Mapping[str, Any], bundle: Path) -> None:
    """The checks of the offline verification."""
    for each in document.get("checks", ()):
        output.say(f"  {'✓' if each['holds'] else '✗'} {each['name']:<14} {each['seen']}")
    output.say(f"  python -m hefu verify {bundle}\n")


def addresses(output: Output, address: str) -> None:
    """Where the pages are."""
    output.say(
        f"  {address}/ the catalog, {address}/log the log, which your browser verifies by itself\n"
        "  more: hefu contract page, hefu catalog page, hefu audit page\n",
        f"  {address}/ 目录，{address}/log 日志（由您的浏览器自行验证）\n"
        "  更多：hefu contract page、hefu catalog page、hefu audit page\n",
    )


def questions(output: Output, document: Mapping[str, Any]) -> None:
    """What the regulator asked, with verdict and answer."""
    language = output.language
    rows = [
        (each["question"], "✓" if each["holds"] else "✗", each["sentence"][language])
        for each in document.get("answers", ())
    ]
    _table(output, (("question", "问题"), ("", ""), ("answer", "答复")), rows)


def ending(output: Output, broken: Sequence[str], folder: Path, seconds: float) -> None:
    """The last words."""
    for each in broken:
        output.say(f"✗ {each}")
    output.say(
        f"{folder}: logs, databases, receipts, evidence.zip. {seconds:.0f} s.",
        f"{folder}：日志、数据库、回执、evidence.zip。{seconds:.0f} 秒。",
    )
    if broken:
        output.say(f"NOT verified: {len(broken)} promises did not hold.", f"未通过：{len(broken)} 项承诺未兑现。")
    else:
        output.say("verified", "验证通过")
    output.data({"verified": not broken, "broken": [*broken], "folder": str(folder), "seconds": round(seconds, 1)})


def _table(output: Output, headings: Sequence[Texts], rows: Sequence[Sequence[TableCell]]) -> None:
    output.table([_in(output, each) for each in headings], rows)
    output.say("")


def _in(output: Output, texts: Texts) -> str:
    return texts[1] if output.language == "zh" else texts[0]


def _round(number: object) -> str:
    """Four digits are enough for people."""
    if number in (None, ""):
        return "?"
    value = Decimal(str(number))
    digits = max(0, 3 - value.adjusted()) if value else 0
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _epsilon(charge: Mapping[str, Any]) -> str:
    return _round(charge["epsilon_nano"] * _NANO)
