"""Questions about organisations: their keys and roles, what they did, who looked and who administered."""

from __future__ import annotations

from hefu import canonical
from hefu.canonical import Json
from hefu.errors import NotFound
from hefu.identity import CERTIFIED, STATUS
from hefu.membership.charter import CHARTERED

from hefu_audit.following import at
from hefu_audit.index import Index
from hefu_audit.questions.answer import MOST_ROWS, Answer, Given, Pair, epsilon, first_of, period, seconds

_ADMINISTERED = frozenset({CERTIFIED, STATUS, CHARTERED})
_OVERSEEN = frozenset({"audit", "order", "admin", "administration"})


def keys(index: Index, given: Given) -> Answer:
    """Who held which key and role at a time; who signed with one that did not count."""
    when = seconds(given, "at", index.one("SELECT MAX(time) FROM entry") or 0)
    held = index.rows(
        "SELECT c.participant, c.roles, h.key, c.idx, c.not_before, c.not_after FROM certified c JOIN held h ON h.idx ="
        " c.idx WHERE c.idx = (SELECT MAX(d.idx) FROM certified d WHERE d.participant = c.participant AND d.time <= ?)"
        " ORDER BY c.participant", when)  # fmt: skip
    newest = index.one("SELECT MAX(idx) FROM entry WHERE type = ? AND time <= ?", STATUS, when)
    standings = dict(index.rows("SELECT subject, state FROM standing WHERE idx = ?", newest))
    bad = index.rows("SELECT idx, text FROM fault WHERE rule = 'statements' ORDER BY idx LIMIT 200")
    rows = [
        (who, roles, key, standings.get(who) or standings.get(key)
         or ("valid" if begin <= when <= end else "not valid then"), number)
        for who, roles, key, number, begin, end in held
    ]  # fmt: skip
    return Answer(
        (f"At {at(when)}: {len(rows)} keys of {len({each[0] for each in rows})} participants; {len(bad)} entries were "
         "signed as they must not be.",
         f"{at(when)} 时：{len({each[0] for each in rows})} 个参与方持有 {len(rows)} 个密钥；"
         f"有 {len(bad)} 个条目的签名不合规则。"),
        tuple((f"entry {number}: {text}",) * 2 for number, text in bad),
        ("participant", "roles", "key", "state", "entry"),
        tuple(rows[:MOST_ROWS]),
        of=len(rows),
        entries=first_of((*(each[4] for each in rows), *(each[0] for each in bad))),
        limits=((
            "That a key was in its owner's hands alone cannot be told.", "无从得知密钥是否仅由其持有者掌握。",
        ),),
    )  # fmt: skip


def accesses(index: Index, given: Given) -> Answer:
    """What regulators and administrators did: readings, openings, orders, settings, standing, charters."""
    begin, end = period(given)
    kinds = [each[0] for each in index.rows("SELECT DISTINCT type FROM entry WHERE type IS NOT NULL")]
    looked = [each for each in kinds if each in _ADMINISTERED or each.partition(".")[0] in _OVERSEEN]
    overseers = index.rows(
        "SELECT DISTINCT participant FROM certified WHERE roles LIKE '%regulator%' OR roles LIKE '%operator%'"
    )
    found = index.rows(
        "SELECT issuer, type, actor, COUNT(*), MIN(idx), MAX(idx), MIN(time), MAX(time) FROM entry WHERE idx IN (SELECT"
        " idx FROM entry WHERE type IN (SELECT value FROM json_each(?)) UNION SELECT idx FROM entry WHERE issuer IN"
        " (SELECT value FROM json_each(?))) AND time >= ? AND time < ? GROUP BY issuer, type, actor ORDER BY MIN(idx)",
        canonical.encode([*looked]).decode(),
        canonical.encode([each[0] for each in overseers]).decode(),
        begin,
        end,
    )
    rows = [(who, kind, actor, count, first, last, at(since), at(until))
            for who, kind, actor, count, first, last, since, until in found]  # fmt: skip
    read = sum(each[3] for each in found if each[1].startswith("audit."))
    return Answer(
        (f"{sum(each[3] for each in found)} entries of regulators, operators and the root, {read} of them of reading.",
         f"监管方、运营者与根密钥共有 {sum(each[3] for each in found)} 个条目，其中 {read} 个为查阅。"),
        headings=("who", "what", "person or program", "times", "first entry", "last entry", "first", "last"),
        rows=tuple(rows[:MOST_ROWS]),
        of=len(rows),
        entries=first_of(number for each in found for number in each[4:6]),
        limits=((
            "Only what was logged: a look at the broker's database by hand, or at a page that is not "
            "logged, is not here.",
            "仅限已入日志者：直接查看平台数据库或未入日志的页面不在其中。",
        ),),
    )  # fmt: skip


def did(index: Index, given: Given) -> Answer:
    """What an organisation did between two times."""
    begin, end = period(given)
    who = str(given["organisation"])
    if index.one("SELECT idx FROM certified WHERE participant = ?", who) is None and (
        index.one("SELECT idx FROM entry WHERE issuer = ?", who) is None
    ):
        raise NotFound("resource.not_found", what="participant", name=who[:64])
    kinds: list[tuple[str, int]] = [
        (kind, count) for kind, count in
        index.rows("SELECT type, COUNT(*) FROM entry WHERE issuer = ? AND time >= ? AND time < ? GROUP BY type ORDER BY"
                   " type", who, begin, end)
    ]  # fmt: skip
    listed = index.rows(
        "SELECT idx, time, type, actor, digest FROM entry WHERE issuer = ? AND time >= ? AND time < ? ORDER "
        "BY time, idx"
        " LIMIT ?", who, begin, end, MOST_ROWS)  # fmt: skip
    spent = index.rows("SELECT COALESCE(SUM(epsilon_nano), 0), COALESCE(SUM(rho_nano), 0) FROM ended WHERE consumer = ?"
                       " AND time >= ? AND time < ?", who, begin, end)[0]  # fmt: skip
    count = sum(each[1] for each in kinds)
    rows = [(number, at(when), kind, actor, digest) for number, when, kind, actor, digest in listed]
    signed: list[Json] = [{"type": kind, "entries": times} for kind, times in kinds]
    limits: tuple[Pair, ...] = ((
        "What it received without signing for it is in the statements of others (usage --party).",
        "其未签名而接收者见他方声明（usage --party）。",
    ),)  # fmt: skip
    return Answer(
        (f"{who} signed {count} entries of {len(kinds)} types; as a consumer it was charged ε {epsilon(*spent)}.",
         f"{who} 签署 {count} 个条目，共 {len(kinds)} 种；作为使用方消耗 ε {epsilon(*spent)}。"),
        headings=("entry", "time", "what", "person or program", "digest"),
        rows=tuple(rows),
        of=count,
        entries=first_of(each[0] for each in rows),
        limits=limits,
        further={"by_type": signed},
    )  # fmt: skip
