"""Questions about data: who could see it, who used it, where it went, and whether it was deleted."""

from __future__ import annotations

from typing import Any

from hefu.errors import Malformed, NotFound
from hefu.statements.delivery import DELETED, USED
from hefu.statements.receipt import SEALED

from hefu_audit.following import at
from hefu_audit.index import Index
from hefu_audit.questions.answer import MOST_ROWS, Answer, Given, Pair, epsilon, first_of, period, seconds

_SKEW = 60  # seconds
_RETIRED = "product.retired"
_USED = (
    "SELECT e.product, e.consumer, e.purpose, c.agreement, COUNT(*), SUM(e.epsilon_nano), SUM(e.rho_nano), MIN(e.idx),"
    " MAX(e.idx), MIN(e.time), MAX(e.time) FROM ended e JOIN charge c ON c.idx = e.idx WHERE e.type = ? AND e.time >= ?"
    " AND e.time < ?"
)
_BY = " GROUP BY e.product, e.consumer, e.purpose, c.agreement ORDER BY MIN(e.idx)"


def usage(index: Index, given: Given) -> Answer:
    """Which data was used, by whom, for what, under which agreement."""
    begin, end = period(given)
    asked = [(name, given[name]) for name in ("product", "asset", "party") if given.get(name)]
    if len(asked) != 1:
        raise Malformed("request.malformed", why="give one of --product, --asset and --party")
    ((name, value),) = asked
    narrowed = {
        "product": " AND e.product = ?",
        "asset": " AND c.resource = ?",
        "party": " AND (e.provider = ? OR e.consumer = ?)",
    }[name]
    values = (value, value) if name == "party" else (value,)
    found = index.rows(_USED + narrowed + _BY, SEALED, begin, end, *values)
    rows = [
        (product, consumer, purpose, agreement, count, epsilon(eps, rho), at(first), at(last))
        for product, consumer, purpose, agreement, count, eps, rho, _, _, first, last in found
    ]
    count = sum(each[4] for each in found)
    return Answer(
        (f"{count} releases of {value}, to {len({each[1] for each in found})} consumers.",
         f"{value} 共发布 {count} 次，使用方 {len({each[1] for each in found})} 个。"),
        headings=("product", "consumer", "purpose", "agreement", "releases", "ε", "first", "last"),
        rows=tuple(rows[:MOST_ROWS]),
        of=len(rows),
        entries=first_of(number for each in found for number in each[7:9]),
        policies=policies(index, {each[3] for each in found[:50]}),
        limits=(("Purposes are what consumers declared.", "使用目的为使用方所声明。"),),
    )  # fmt: skip


def visible(index: Index, given: Given) -> Answer:
    """Who could see a product: each version's offers and whom they are shown to, until the next version or its end."""
    product = str(given["product"])
    versions = index.rows("SELECT idx, version, digest, provider, time FROM description WHERE product = ? ORDER BY idx",
                          product)  # fmt: skip
    if not versions:
        raise NotFound("resource.not_found", what="product", name=product[:64])
    retired = index.one("SELECT MIN(e.idx) FROM about a JOIN entry e ON e.idx = a.idx WHERE a.kind = 'product' AND"
                        " a.name = ? AND e.type = ?", product, _RETIRED)  # fmt: skip
    when = seconds(given, "at", -1)
    rows: list[tuple[Any, ...]] = []
    for place, (number, version, _, provider, since) in enumerate(versions):
        after = versions[place + 1] if place + 1 < len(versions) else None
        until, second = (after[0], after[4]) if after else (retired, None)
        if when >= 0 and (since > when or (second is not None and second <= when)):
            continue
        for offer, who in _shown(index, number, since if when < 0 else when):
            rows.append((version, number, until, offer, ", ".join(who) or "nobody", provider))
    named = {name for each in rows for name in str(each[4]).split(", ")}
    return Answer(
        (f"{len(versions)} versions of {product}; their offers were shown to {len(named)} participants.",
         f"{product} 共 {len(versions)} 个版本；其报价向 {len(named)} 个参与方可见。"),
        headings=("version", "from entry", "to entry", "offer", "shown to", "provider"),
        rows=tuple(rows[:MOST_ROWS]),
        of=len(rows),
        entries=first_of(each[0] for each in versions),
        limits=((
            "The log has to whom an offer was to be shown, not who looked at it. Regulators and the operator see all.",
            "日志载明报价应向谁展示，而非谁曾查看。监管方与运营者可见全部。",
        ),),
    )  # fmt: skip


def _shown(index: Index, number: int, when: int) -> list[tuple[str, list[str]]]:
    members = [each[0] for each in index.rows(
        "SELECT DISTINCT participant FROM certified WHERE time <= ? AND not_after >= ? ORDER BY participant LIMIT 200",
        when, when)]  # fmt: skip
    offers = index.statement(number).body.get("offers")
    found = []
    for offer in offers if isinstance(offers, list) else []:
        shown = offer.get("visibility") if isinstance(offer, dict) else None
        if isinstance(offer, dict) and isinstance(shown, dict):
            listed = shown.get("participants")
            who = (
                [str(each) for each in listed]
                if shown.get("kind") == "listed" and isinstance(listed, list)
                else members
            )
            found.append((str(offer.get("offer")), who))
    return found


def versioned(index: Index, given: Given) -> Answer:
    """Which releases used a version of a product."""
    word = str(given["version"])
    product, _, number = word.rpartition(":")
    found = index.rows("SELECT digest, idx, product, version FROM description WHERE digest = ? OR (product = ? AND"
                       " CAST(version AS TEXT) = ?)", word, product, number)  # fmt: skip
    if not found:
        raise NotFound("resource.not_found", what="product version", name=word[:80])
    digest, published, product, number = found[0]
    ends = index.rows("SELECT idx, computation, consumer, time, purpose, snapshot FROM ended WHERE description = ? AND"
                      " type = ? ORDER BY idx LIMIT ?", digest, SEALED, MOST_ROWS)  # fmt: skip
    count = index.one("SELECT COUNT(*) FROM ended WHERE description = ? AND type = ?", digest, SEALED)
    snapshots = index.one("SELECT COUNT(DISTINCT snapshot) FROM ended WHERE description = ?", digest)
    return Answer(
        (f"{count} releases used version {number} of {product}, published in entry {published}.",
         f"{product} 第 {number} 版（条目 {published} 发布）共用于 {count} 次发布。"),
        headings=("entry", "computation", "consumer", "time", "purpose", "snapshot"),
        rows=tuple((number, name, who, at(when), why, read) for number, name, who, when, why, read in ends),
        of=count,
        entries=first_of((published, *(each[0] for each in ends))),
        further={"description": digest, "snapshots": snapshots},
        limits=((
            "What a computation joined with it under another agreement is listed with its first product only.",
            "联合计算中依其他合约读取的产品，仅列于其首个产品之下。",
        ),),
    )  # fmt: skip


def processing(index: Index, given: Given) -> Answer:
    """The record of processing of an organisation (GDPR Art. 30), as far as the log has it."""
    who = str(given["organisation"])
    products = index.rows("SELECT product, MAX(version), personal, important, grade, legal_basis, MAX(idx) FROM"
                          " description WHERE provider = ? GROUP BY product", who)  # fmt: skip
    used = index.rows(_USED + " AND (e.provider = ? OR e.consumer = ?)" + _BY, SEALED, 0, 1 << 53, who, who)
    known = {each[0]: each for each in products}
    rows = []
    for product, consumer, purpose, agreement, count, *_ in used:
        said = known.get(product) or _described(index, product)
        flags = ["personal"] * bool(said and said[2]) + ["important"] * bool(said and said[3])
        rows.append(
            (
                product,
                "provider" if consumer != who else "consumer",
                purpose,
                consumer,
                agreement,
                count,
                ", ".join(flags),
                said[4] if said else None,
                (said[5] if said else "") or "not stated",
            )
        )
    return Answer(
        (f"{who}: {len(products)} products of its own, {len(rows)} kinds of processing.",
         f"{who}：自有产品 {len(products)} 个，处理活动 {len(rows)} 类。"),
        headings=("product", "as", "purpose", "recipient", "agreement", "releases", "data", "grade", "legal basis"),
        rows=tuple(rows[:MOST_ROWS]),
        of=len(rows),
        entries=first_of((*(each[6] for each in products), *(each[7] for each in used))),
        policies=policies(index, {each[3] for each in used[:50]}),
        limits=((
            "Contact persons, categories of data subjects and technical measures are not in the log; flags and legal "
            "bases are the provider's declarations.",
            "联系人、数据主体类别与技术措施不在日志中；标志与法律依据为提供方声明。",
        ),),
    )  # fmt: skip


def _described(index: Index, product: str) -> tuple[Any, ...] | None:
    found = index.rows(
        "SELECT product, version, personal, important, grade, legal_basis, idx FROM description WHERE product = ? "
        "ORDER BY idx DESC LIMIT 1",
        product,
    )
    return found[0] if found else None


def retention(index: Index, given: Given) -> Answer:
    """What was delivered and when it must be deleted: proofs, and what is overdue."""
    when = seconds(given, "at", index.one("SELECT MAX(time) FROM entry") or 0)
    narrowed = str(given.get("organisation") or "")
    found = index.rows(
        "SELECT e.idx, e.computation, e.provider, e.consumer, e.product, e.deadline, (SELECT MIN(t.idx) "
        "FROM told t WHERE"
        " t.receipt = e.digest AND t.type = ? AND t.issuer = e.consumer), (SELECT MAX(g.window) FROM charge c JOIN"
        " agreement g ON g.id = c.agreement AND g.provider = c.provider WHERE c.idx = e.idx), (SELECT "
        "COUNT(*) FROM told"
        " u WHERE u.receipt = e.digest AND u.type = ? AND u.time > e.deadline + ?) FROM ended e WHERE e.deadline IS NOT"
        " NULL AND (? = '' OR e.consumer = ? OR e.provider = ?) ORDER BY e.deadline",
        DELETED, USED, _SKEW, narrowed, narrowed, narrowed)  # fmt: skip
    findings: list[Pair] = []
    proven, rows = sum(each[6] is not None for each in found), []
    for number, name, _, consumer, product, deadline, deleted, window, late in found:
        overdue = deleted is None and when > deadline + max(window or 0, _SKEW) + _SKEW
        state = f"deleted in entry {deleted}" if deleted is not None else "OVERDUE" if overdue else "held"
        rows.append((number, name, consumer, product, at(deadline), state))
        if overdue:
            findings.append((f"entry {number}: {consumer} had to delete it by {at(deadline)}, and no proof "
                             f"is in the log",
                             f"条目 {number}：{consumer} 应于 {at(deadline)} 前删除，日志中没有删除证明"))  # fmt: skip
        if late:
            findings.append((f"entry {number}: {consumer} used it {late} times after it had to be deleted",
                             f"条目 {number}：{consumer} 在删除期限后仍使用 {late} 次"))  # fmt: skip
    return Answer(
        (f"{len(found)} deliveries, {proven} of them deleted with a proof; judged at {at(when)}.",
         f"共交付 {len(found)} 次，其中 {proven} 次已有删除证明；以 {at(when)} 为准。"),
        tuple(findings[:MOST_ROWS]),
        ("entry", "delivery", "held by", "product", "delete by", "state"),
        tuple(rows[:MOST_ROWS]),
        of=len(rows),
        entries=first_of(each[0] for each in found),
        limits=((
            "A proof of deletion is the word of the recipient's connector; what left it by download is outside.",
            "删除证明为接收方连接器所述；经下载离开者不在其内。",
        ),),
    )  # fmt: skip


def transfers(index: Index, given: Given) -> Answer:
    """Releases from one organisation to another by jurisdiction, with what is declared of their legal basis."""
    begin, end = period(given)
    found = index.rows(
        "SELECT e.provider, e.consumer, e.product, e.description, COUNT(*), MIN(e.idx), MAX(e.idx) FROM ended e WHERE"
        " e.type = ? AND e.time >= ? AND e.time < ? GROUP BY e.provider, e.consumer, e.product, e.description",
        SEALED, begin, end)  # fmt: skip
    homes = dict(index.rows("SELECT participant, jurisdiction FROM certified ORDER BY idx"))
    findings: list[Pair] = []
    rows = []
    for provider, consumer, product, digest, count, first, _ in found:
        said = index.rows("SELECT cross_border, legal_basis FROM description WHERE digest = ?", digest)
        border, basis = said[0] if said else (0, "")
        here, there = homes.get(provider, ""), homes.get(consumer, "")
        across = "yes" if here and there and here != there else "no" if here and there else "cannot be told"
        if across == "yes" and not border:
            findings.append((f"entry {first}: from {here} to {there}, and {product} is not declared for it",
                             f"条目 {first}：由 {here} 至 {there}，而 {product} 未声明可跨境"))  # fmt: skip
        rows.append((provider, here or "?", consumer, there or "?", product, count, across,
                     "declared" if border else "not declared", basis or "not stated"))  # fmt: skip
    return Answer(
        (f"{sum(each[4] for each in found)} releases to third parties, over {len(rows)} relations.",
         f"向第三方发布 {sum(each[4] for each in found)} 次，涉及 {len(rows)} 组关系。"),
        tuple(findings),
        ("provider", "in", "consumer", "in", "product", "releases", "across borders", "cross-border", "legal basis"),
        tuple(rows[:MOST_ROWS]),
        of=len(rows),
        entries=first_of(each[5] for each in found),
        limits=((
            "A jurisdiction is known only where the root certified it (hefu:jurisdiction); where machines stand, and "
            "what a recipient passes on, is not in the log. A legal basis is the provider's declaration.",
            "仅当根密钥认证了司法辖区（hefu:jurisdiction）时方可知；机器所在地及接收方转交之事不在日志中。法律依据为提供方声明。",
        ),),
    )  # fmt: skip


def policies(index: Index, agreements: set[str]) -> tuple[str, ...]:
    """Digests of the policies of some agreements, the first of them."""
    found = [index.rows("SELECT digest FROM policy WHERE agreement = ?", each) for each in sorted(agreements)]
    return tuple(sorted({digest for rows in found for (digest,) in rows}))[:50]
