"""Questions about the log itself: is it whole, is it one, was it tampered with, and may I draw lots from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from hefu.errors import Malformed
from hefu.evidence.record import TERMINATED
from hefu.statements.receipt import FAILED, SEALED
from hefu.tlog import checkpoint, tree
from hefu.tlog.note import VerifierKey
from hefu.tlog.proof import LogProof

from hefu_audit import following
from hefu_audit.following import at
from hefu_audit.index import Index
from hefu_audit.questions.answer import MOST_ROWS, Answer, Given, Pair, first_of, period

LOTS = "hefu-audit-sample/v1"
_MOST_FAULTS = 200
_HASHED = 10_000


def is_whole(index: Index, given: Given) -> Answer:
    """Whether the copy gives the signed root, extends what was seen before, and no entry broke a rule."""
    note, head = _head(index)
    key = VerifierKey.parse(index.space.log_key)
    findings: list[Pair] = []
    if checkpoint.verify(note, key) != head or index.root(index.size) != head.root or index.size != head.size:
        findings.append(("the copy does not give the signed root", "副本得不出已签名的树根"))
    told: list[str] = []
    limits: list[Pair] = []
    for file in (*given.get("since", ()), *given.get("other", ())):
        other = checkpoint.verify(_read(file), key)
        if other.size > head.size:
            limits.append((
                f"{file.name} is of {other.size} entries, more than the copy has: fetch first.",
                f"{file.name} 有 {other.size} 个条目，多于本副本：请先取得。",
            ))  # fmt: skip
        elif index.root(other.size) != other.root:
            findings.append((f"{file.name}: another history of the same log", f"{file.name}：同一日志的另一历史"))
        else:
            told.append(f"{file.name} ({other.size})")
    faults = index.rows("SELECT idx, rule, text FROM fault ORDER BY idx LIMIT ?", _MOST_FAULTS)
    findings += [(f"entry {each[0]}: {each[1]}: {each[2]}",) * 2 for each in faults]
    heads = index.rows("SELECT size, root, at FROM head ORDER BY size DESC LIMIT ?", MOST_ROWS)
    return Answer(
        (
            f"{head.size} entries give the signed root; {len(heads)} checkpoints of this auditor's visits extend each "
            f"other" + (f", and so do {', '.join(told)}." if told else "."),
            f"{head.size} 个条目得出已签名的树根；本审计方历次取得的 {len(heads)} 个检查点逐一延续"
            + (f"，{'、'.join(told)} 亦然。" if told else "。"),
        ),
        tuple(findings),
        ("size", "root", "verified"),
        tuple((size, root.hex(), at(when)) for size, root, when in heads),
        entries=first_of(each[0] for each in faults),
        limits=tuple(limits),
    )


def is_in_order(index: Index, given: Given) -> Answer:
    """Whether anything was removed, moved or dated back: bytes against the tree, journals, and claimed times."""
    begin, end = period(given)
    findings = [*_rehashed(index, begin, end, full=bool(given.get("full"))), *_broken_journals(index)]
    late = index.rows(
        "SELECT idx, type, issuer, time, before FROM late JOIN entry USING (idx) WHERE time >= ? AND time < ?"
        " ORDER BY idx LIMIT ?",
        begin,
        end,
        MOST_ROWS,
    )
    return Answer(
        (
            f"{len(late)} entries claim a time over five minutes before an entry that stands before them; a connector "
            "that was cut off hands in late, so each is listed and none is a finding by itself.",
            f"有 {len(late)} 个条目所称时间比其前条目早五分钟以上；断线的连接器会补交，故逐一列出而不单独作为发现。",
        ),
        tuple(findings),
        ("entry", "type", "issuer", "claims", "newest before"),
        tuple((number, kind, issuer, at(when), at(before)) for number, kind, issuer, when, before in late),
        entries=first_of(each[0] for each in late),
        limits=()
        if given.get("full")
        else (
            (
                f"The bytes of at most {_HASHED} entries of the period were hashed again; --full hashes all.",
                f"仅重新计算了该时段内至多 {_HASHED} 个条目的哈希；--full 计算全部。",
            ),
        ),
    )


def _rehashed(index: Index, begin: int, end: int, *, full: bool) -> Iterator[Pair]:
    first, last = (0, index.size - 1) if full else index.rows(
        "SELECT MIN(idx), MAX(idx) FROM entry WHERE time >= ? AND time < ?", begin, end)[0]  # fmt: skip
    if not full and first is not None:
        last = min(last, first + _HASHED)
    bad, leaves = 0, []
    for entry in index.entries(first or 0):
        if last is None or entry.index > last:
            break
        bad += entry.envelope is not None and tree.leaf_hash(entry.envelope) != entry.leaf_hash
        leaves.append(entry.leaf_hash)
    if bad:
        yield f"{bad} entries have other bytes than their leaves", f"{bad} 个条目的字节与其叶不符"
    if full and tree.root(leaves) != _head(index)[1].root:
        yield "the entries give another root than was signed", "各条目得出的树根与签名者不同"


def _broken_journals(index: Index) -> Iterator[Pair]:
    gaps = index.rows(
        "SELECT issuer, connector, MAX(seq) + 1 - COUNT(DISTINCT seq) FROM journal GROUP BY issuer, connector"
        " HAVING MAX(seq) + 1 > COUNT(DISTINCT seq)"
    )
    for issuer, connector, missing in gaps:
        if missing and not index.hidden:
            yield (f"{missing} numbers of the journal of {issuer}/{connector} are missing",
                   f"{issuer}/{connector} 的日志链缺少 {missing} 个序号")  # fmt: skip
    broken = index.rows("SELECT idx, text FROM fault WHERE rule = 'journal' ORDER BY idx LIMIT ?", _MOST_FAULTS)
    yield from ((f"entry {number}: {text}",) * 2 for number, text in broken)


def gossips(index: Index, given: Given) -> Answer:
    """Whether all heads that signers saw, and the witnesses' times, are consistent with one log."""
    told = index.rows(
        "SELECT e.issuer, COUNT(*), MAX(s.size), MAX(s.idx) FROM seen s JOIN entry e ON e.idx = s.idx GROUP BY e.issuer"
    )
    faults = index.rows("SELECT idx, text FROM fault WHERE rule = 'gossip' ORDER BY idx LIMIT ?", _MOST_FAULTS)
    state, times = following.quorum(index)
    findings = [(f"entry {number}: {text}",) * 2 for number, text in faults]
    if state not in ("none", "met"):
        findings.append((f"the quorum of witnesses is not there: {state}", f"见证未达法定数：{state}"))
    silent: tuple[Pair, ...] = () if told else ((
        "No statement names a checkpoint that its signer had seen: nothing is known of what others were shown.",
        "没有声明写明其签名方所见的检查点：无从得知他人所见。",
    ),)  # fmt: skip
    seen = sum(each[1] for each in told)
    return Answer(
        (
            f"{seen} statements of {len(told)} participants name a checkpoint they had seen; {len(times)} witnesses "
            "stand on the newest checkpoint.",
            f"{len(told)} 个参与方的 {seen} 条声明写明所见检查点；最新检查点上有 {len(times)} 个见证。",
        ),
        tuple(findings),
        ("who", "statements", "newest seen", "at"),
        (*((issuer, count, size, f"entry {last}") for issuer, count, size, last in told),
         *((name, 0, _head(index)[1].size, at(int(when.timestamp()))) for name, when in times)),
        entries=first_of((*(each[3] for each in told), *(each[0] for each in faults))),
        limits=silent,
    )  # fmt: skip


def was_up(index: Index, given: Given) -> Answer:
    """Who was silent, and when the log stood still."""
    begin, end = period(given)
    spans = index.rows(
        "SELECT time, after, idx FROM (SELECT time, idx, LEAD(time) OVER (ORDER BY time) AS after FROM entry WHERE"
        " time >= ? AND time < ?) WHERE after - time > ? ORDER BY after - time DESC LIMIT 100",
        begin, end, int(given.get("silence") or 3600),
    )  # fmt: skip
    last = index.rows(
        "SELECT issuer, MAX(time), MAX(idx), COUNT(*) FROM entry WHERE time >= ? AND time < ? GROUP BY issuer",
        begin, end,
    )  # fmt: skip
    rows = [("the log", f"{at(since)} – {at(until)}", number, until - since) for since, until, number in spans]
    rows += [(issuer, at(when), number, count) for issuer, when, number, count in last]
    limit = (
        "The log has no heartbeats: a time without entries may be a fault or an idle night; which controls were down "
        "inside of an organisation is not in it.",
        "日志中没有心跳：无条目的时段可能是故障，也可能只是空闲；组织内部哪些控制失效不在其中。",
    )
    return Answer(
        (
            f"{len(spans)} silences of the log longer than asked; {len(last)} participants said something.",
            f"日志有 {len(spans)} 段长于所问的静默；{len(last)} 个参与方有所陈述。",
        ),
        headings=("who", "last said, or silence", "entry", "seconds, or entries"),
        rows=tuple(rows),
        entries=first_of(each[2] for each in spans),
        limits=(limit,),
    )


def is_absent(index: Index, given: Given) -> Answer:
    """Whether nothing of a name stands in the log; of a contract, whether nothing stands behind its end."""
    name = str(given["event"])
    found = index.rows("SELECT DISTINCT e.idx, e.type, e.time, e.issuer FROM entry e JOIN (SELECT idx FROM about WHERE"
                       " kind IN ('agreement', 'negotiation', 'computation', 'digest') AND name = ? UNION SELECT idx"
                       " FROM entry WHERE id = ? OR digest = ? OR envelope_digest = ?) USING (idx) ORDER BY e.idx",
                       name, name, name, name)  # fmt: skip
    ended = next((each[0] for each in found if each[1] == TERMINATED), None)
    behind = found if ended is None else [each for each in found if each[0] > ended and each[1] in (SEALED, FAILED)]
    ended_zh = "" if ended is None else f"，合约已由条目 {ended} 终止"
    hidden: tuple[Pair, ...] = () if not index.hidden else ((
        "Absence cannot be told while entries are hidden: it may stand in one of them.",
        "有条目隐藏时无法断言不存在：它可能就在其中。",
    ),)  # fmt: skip
    what = "stands behind the end of it" if ended is not None else "names it"
    return Answer(
        (
            f"{len(behind)} of {index.size} entries {what}"
            + ("." if ended is None else f" (entry {ended} ended it)."),
            f"{index.size} 个条目中有 {len(behind)} 个涉及它{ended_zh}。",
        ),
        tuple((f"entry {each[0]} {each[1]} of {each[3]}", f"条目 {each[0]}（{each[1]}，{each[3]}）")
              for each in behind[:_MOST_FAULTS]),
        ("entry", "type", "time", "issuer"),
        tuple((number, kind, at(when), issuer) for number, kind, when, issuer in found[:MOST_ROWS]),
        of=len(found),
        entries=first_of(each[0] for each in found),
        limits=hidden,
    )  # fmt: skip


def samples(index: Index, given: Given) -> Answer:
    """Entries drawn by lot from a public seed, each with its proof; anybody draws the same."""
    note, head = _head(index)
    fetched = at(index.one("SELECT MAX(at) FROM head"))
    seed = given.get("seed") or f"{head.root.hex()}+{fetched[:10]}"
    wanted = int(given.get("n") or 50)
    if not 0 < wanted <= MOST_ROWS:
        raise Malformed("request.malformed", why=f"draw between 1 and {MOST_ROWS} entries")
    wanted = min(wanted, head.size)
    rows, proofs, findings = [], [], []
    key = VerifierKey.parse(index.space.log_key)
    for number in lots(seed, head.size, wanted):
        proof = LogProof(number, tuple(tree.inclusion_proof(number, head.size, index.read)), note)
        ((leaf, kind, issuer, when, envelope),) = index.rows(
            "SELECT leaf, type, issuer, time, envelope FROM entry LEFT JOIN body USING (idx) WHERE idx = ?", number
        )
        proof.verify(leaf, key)
        if envelope is not None and tree.leaf_hash(envelope) != leaf:
            findings.append((f"entry {number}: other bytes than its leaf", f"条目 {number}：字节与其叶不符"))
        rows.append((number, kind or "hidden", issuer or "", at(when) if when else "", leaf.hex()))
        proofs.append(str(proof))
    return Answer(
        (
            f"{wanted} of {head.size} entries, drawn from the seed {seed}; each proof leads to the signed root.",
            f"由种子 {seed} 从 {head.size} 个条目中抽取 {wanted} 个；每个证明均通向已签名的树根。",
        ),
        tuple(findings),
        ("entry", "type", "issuer", "time", "leaf"),
        tuple(rows),
        entries=first_of((each[0] for each in rows), MOST_ROWS),
        further={"seed": seed, "rule": LOTS, "proofs": [*proofs]},
    )


def lots(seed: str, size: int, wanted: int) -> list[int]:
    """Different numbers below a size, drawn from a seed; the rule is published, so anybody draws the same.

    For i = 0, 1, …: v is the first eight bytes, big-endian, of SHA-256("hefu-audit-sample/v1" ‖ LF ‖ seed ‖ LF ‖ i in
    decimal), all in UTF-8. Where v is not below the largest multiple of size below 2^64 + 1 it is passed over, so that
    every number is as likely; else v mod size is drawn, unless it was before.
    """
    limit = (1 << 64) - (1 << 64) % size
    found: dict[int, None] = {}
    counter = 0
    while len(found) < min(wanted, size):
        drawn = hashlib.sha256(f"{LOTS}\n{seed}\n{counter}".encode()).digest()
        value = int.from_bytes(drawn[:8], "big")
        counter += 1
        if value < limit:
            found.setdefault(value % size)
    return [*found]


def _head(index: Index) -> tuple[str, checkpoint.Checkpoint]:
    head = index.head
    if head is None:
        raise Malformed("audit.not_fetched")
    return head


def _read(file: object) -> str:
    try:
        with open(str(file), encoding="utf-8") as opened:
            return opened.read(1 << 16)
    except (OSError, ValueError):
        raise Malformed("bundle.malformed", where=str(file)[:100], why="no such file, or not a text") from None
