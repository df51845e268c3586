"""Questions about what was decided and charged: budgets, denials, orphans, decisions made again."""

from __future__ import annotations

from collections.abc import Iterator

from hefu.checking.checks import ASKED
from hefu.errors import NotFound
from hefu.evidence.record import TERMINATED
from hefu.statements.delivery import DENIED
from hefu.statements.notices import RESUMED, SUSPENDED
from hefu.statements.receipt import FAILED, REFUSED, SEALED, Spent

from hefu_audit.following import at
from hefu_audit.index import Index
from hefu_audit.questions.answer import MOST_ROWS, Answer, Given, Pair, epsilon, first_of, period

_SIGHT = 60  # seconds


def budget(index: Index, given: Given) -> Answer:
    """An asset's budget, added up again from every receipt and failure: granted, spent, refused, overspent."""
    asset = str(given["asset"])
    totals = index.rows("SELECT provider, epsilon_nano, delta_femto, releases, rho_nano, MIN(idx) FROM lifetime WHERE"
                        " resource = ? GROUP BY provider", asset)  # fmt: skip
    if not totals:
        raise NotFound("resource.not_found", what="resource", name=asset[:64])
    charged = index.rows(
        "SELECT agreement, provider, SUM(epsilon_nano), SUM(delta_femto), SUM(releases), SUM(rho_nano), COUNT(*),"
        " MAX(idx) FROM charge WHERE resource = ? GROUP BY agreement, provider",
        asset,
    )
    findings = [*_overspent_assets(index, asset, totals)]
    rows = []
    for agreement, provider, *spent, count, newest in charged:
        limit = index.rows(
            "SELECT epsilon_nano, delta_femto, releases, rho_nano, consumer FROM agreement WHERE id = ?"
            " AND provider = ?",
            agreement,
            provider,
        )
        refused = index.one("SELECT COUNT(*) FROM denial WHERE agreement = ?", agreement)
        granted = Spent(*limit[0][:4]) if limit else None
        if granted is not None and not _whole(index, agreement, provider).within(granted):
            findings.append(
                (
                    f"agreement {agreement} is overspent (entry {newest})",
                    f"合约 {agreement} 超支（条目 {newest}）",
                )
            )
        total = epsilon(granted.epsilon_nano, granted.rho_nano) if granted else ""
        consumer = limit[0][4] if limit else ""
        rows.append((agreement, consumer, total, epsilon(spent[0], spent[3]), spent[2], refused, count))
    eps, rho = sum(each[2] for each in charged), sum(each[5] for each in charged)
    return Answer(
        (
            f"ε {epsilon(eps, rho)} of the lifetime total {epsilon(totals[0][1], totals[0][4])} of {asset} is spent, "
            f"under {len(charged)} agreements.",
            f"{asset} 的终身总额 {epsilon(totals[0][1], totals[0][4])} 已用 ε {epsilon(eps, rho)}，"
            f"涉及 {len(charged)} 份合约。",
        ),
        tuple(findings),
        ("agreement", "consumer", "granted ε", "spent ε", "releases", "refusals", "charges"),
        tuple(rows[:MOST_ROWS]),
        of=len(rows),
        entries=first_of((*(each[5] for each in totals), *(each[7] for each in charged))),
        policies=_policies(index, [each[0] for each in charged[:50]]),
    )


def _whole(index: Index, agreement: str, provider: str) -> Spent:
    """All that was charged under an agreement, over all assets."""
    found = index.rows("SELECT TOTAL(epsilon_nano), TOTAL(delta_femto), TOTAL(releases), TOTAL(rho_nano) FROM (SELECT"
                       " DISTINCT idx, epsilon_nano, delta_femto, releases, rho_nano FROM charge WHERE "
                       "agreement = ? AND"
                       " provider = ?)", agreement, provider)  # fmt: skip
    return Spent(*map(int, found[0]))


def _overspent_assets(index: Index, asset: str, totals: list[tuple[object, ...]]) -> Iterator[Pair]:
    for provider, *_ in totals:
        first = index.rows("SELECT epsilon_nano, delta_femto, releases, rho_nano FROM lifetime WHERE resource = ? AND"
                           " provider = ? ORDER BY idx LIMIT 1", asset, provider)[0]  # fmt: skip
        spent = index.rows("SELECT COALESCE(SUM(epsilon_nano), 0), COALESCE(SUM(delta_femto), 0), "
                           "COALESCE(SUM(releases)"
                           ", 0), COALESCE(SUM(rho_nano), 0) FROM charge WHERE resource = ? AND provider = ?",
                           asset, provider)[0]  # fmt: skip
        if not Spent(*spent).within(Spent(*first)):
            yield (f"the lifetime total of {asset} at {provider} is overspent",
                   f"{asset} 在 {provider} 的终身总额超支")  # fmt: skip


def _policies(index: Index, agreements: list[str]) -> tuple[str, ...]:
    found = [index.rows("SELECT digest FROM policy WHERE agreement = ?", each) for each in agreements]
    return tuple(sorted({digest for rows in found for (digest,) in rows}))[:50]


def denials(index: Index, given: Given) -> Answer:
    """What was refused, by reason."""
    begin, end = period(given)
    found = index.rows(
        "SELECT code, reasons, provider, COUNT(*), MIN(idx), MAX(idx) FROM ended WHERE type = ? AND time >= ? AND"
        " time < ? GROUP BY code, reasons, provider ORDER BY COUNT(*) DESC", REFUSED, begin, end)  # fmt: skip
    found += index.rows("SELECT code, action, issuer, COUNT(*), MIN(idx), MAX(idx) FROM told WHERE type = ? "
                        "AND time >= ?"
                        " AND time < ? GROUP BY code, action, issuer", DENIED, begin, end)  # fmt: skip
    if given.get("reason"):
        found = [each for each in found if given["reason"] in each[0] or given["reason"] in each[1]]
    count = sum(each[3] for each in found)
    return Answer(
        (f"{count} denials, of {len(found)} kinds.", f"共 {count} 次拒绝，{len(found)} 类原因。"),
        headings=("code", "reasons", "by", "times", "first entry", "last entry"),
        rows=tuple(found[:MOST_ROWS]),
        of=len(found),
        entries=first_of(number for each in found for number in each[4:6]),
        limits=(
            (
                "A refusal before a request could be read or attributed leaves no entry.",
                "请求尚无法读取或归属时的拒绝不留条目。",
            ),
        ),
    )


def orphans(index: Index, given: Given) -> Answer:
    """Releases without a contract, results without a permit, permits without a result, requests without an end."""
    newest = index.one("SELECT MAX(time) FROM entry") or 0
    before = newest - int(given.get("after") or 86400)
    loose = index.rows("SELECT idx, agreement FROM charge WHERE agreement NOT IN (SELECT id FROM agreement) LIMIT 200")
    early = index.rows("SELECT idx, text FROM fault WHERE rule = 'receipts' ORDER BY idx LIMIT 200")
    open_ = index.rows("SELECT r.idx, r.issuer, r.time FROM entry r LEFT JOIN ended e ON e.request = r.digest WHERE"
                       " r.type = ? AND r.time < ? AND e.idx IS NULL LIMIT ?", ASKED, before, MOST_ROWS)  # fmt: skip
    unasked = index.one("SELECT COUNT(*) FROM ended e LEFT JOIN entry r ON r.digest = e.request WHERE r.idx IS NULL")
    findings: list[Pair] = []
    for number, agreement in () if index.hidden else loose:
        findings.append((f"entry {number}: under agreement {agreement}, which is not in the log",
                         f"条目 {number}：所依合约 {agreement} 不在日志中"))  # fmt: skip
    findings += [(f"entry {number}: {text}",) * 2 for number, text in early]
    return Answer(
        (
            f"{len(findings)} ends stand under no contract in force; {len(open_)} logged requests have no end; "
            f"{unasked} ends answer a request that was not logged.",
            f"{len(findings)} 项结束不在有效合约之下；{len(open_)} 个已入日志的请求没有结果；"
            f"{unasked} 项结束所答的请求未入日志。",
        ),
        tuple(findings),
        ("request", "by", "time"),
        tuple((number, issuer, at(when)) for number, issuer, when in open_),
        entries=first_of((*(each[0] for each in loose), *(each[0] for each in early), *(each[0] for each in open_))),
        limits=(
            (
                "Requests go from connector to connector; where they are not logged, only their digest "
                "stands in the end.",
                "请求由连接器直达连接器；未入日志时，结束声明中仅有其摘要。",
            ),
        ),
    )


def decisions(index: Index, given: Given) -> Answer:
    """Whether each computation was permitted by the policy then in force: decided again while the copy was verified."""
    begin, end = period(given)
    counts = dict(index.rows("SELECT type, COUNT(*) FROM ended WHERE time >= ? AND time < ? GROUP BY type", begin, end))
    bad = index.rows(
        "SELECT f.idx, f.rule, f.text FROM fault f JOIN entry e ON e.idx = f.idx WHERE f.rule IN"
        " ('receipts', 'policies') AND e.time >= ? AND e.time < ? ORDER BY f.idx LIMIT 200",
        begin,
        end,
    )
    findings: list[Pair] = [(f"entry {number}: {rule}: {text}",) * 2 for number, rule, text in bad]
    ended = [*_released_after(index, TERMINATED, begin, end), *_released_suspended(index, begin, end)]
    for number, agreement, word, word_zh in ended:
        findings.append((f"entry {number}: released under {agreement}, which {word}",
                         f"条目 {number}：在 {agreement} {word_zh}后发布"))  # fmt: skip
    policies = index.rows(
        "SELECT DISTINCT p.digest FROM policy p JOIN agreement g ON g.id = p.agreement WHERE g.not_before < ? AND"
        " g.not_after >= ? LIMIT 50",
        end,
        begin,
    )
    released, failed, refused = (counts.get(each, 0) for each in (SEALED, FAILED, REFUSED))
    return Answer(
        (
            f"{released} releases were decided again from the facts they name, {failed} failed and {refused} were "
            "refused.",
            f"已按所载事实重新裁决 {released} 次发布；另有 {failed} 次失败、{refused} 次拒绝。",
        ),
        tuple(findings),
        ("what", "times"),
        tuple(sorted(counts.items())),
        entries=first_of((*(each[0] for each in bad), *(each[0] for each in ended))),
        policies=tuple(each[0] for each in policies),
        limits=(
            (
                "A provider that lies about its own facts is not found out by its own words.",
                "提供方若谎报自身事实，凭其自述无法发现。",
            ),
        ),
    )


def _released_after(index: Index, kind: str, begin: int, end: int) -> Iterator[tuple[int, str, str, str]]:
    found = index.rows(
        "SELECT c.idx, c.agreement FROM turn t JOIN agreement g ON g.id = t.agreement JOIN charge c ON c.agreement ="
        " t.agreement AND c.provider = g.provider JOIN ended e ON e.idx = c.idx AND e.type = ? WHERE t.type = ? AND"
        " c.time > t.time + MAX(g.window, ?) AND c.idx > t.idx AND c.time >= ? AND c.time < ? LIMIT 200",
        SEALED, kind, _SIGHT, begin, end)  # fmt: skip
    yield from ((number, agreement, "had ended", "终止") for number, agreement in found)


def _released_suspended(index: Index, begin: int, end: int) -> Iterator[tuple[int, str, str, str]]:
    found = index.rows(
        "SELECT c.idx, c.agreement FROM turn t JOIN charge c ON c.agreement = t.agreement AND c.provider = "
        "t.issuer JOIN"
        " ended e ON e.idx = c.idx AND e.type = ? WHERE t.type = ? AND c.time > t.time + ? AND c.time < "
        "COALESCE((SELECT"
        " MIN(r.time) FROM turn r WHERE r.agreement = t.agreement AND r.type = ? AND r.issuer = t.issuer AND"
        " r.idx > t.idx), 1 << 53) AND c.time >= ? AND c.time < ? LIMIT 200",
        SEALED, SUSPENDED, _SIGHT, RESUMED, begin, end)  # fmt: skip
    yield from ((number, agreement, "was suspended", "中止") for number, agreement in found)
