"""Questions about contracts: their course, the policies in force, where a result comes from, do the copies agree."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hefu import canonical
from hefu.checking.checks import ASKED
from hefu.checking.reconcile import Held, View, reconcile
from hefu.errors import HefuError, Malformed, NotFound
from hefu.evidence.bundle import BundleEntry, open_bundle
from hefu.evidence.record import FINALIZED, TERMINATED, Record
from hefu.identity import CERTIFIED
from hefu.membership.charter import CHARTERED
from hefu.statements.delivery import DELETED, USED
from hefu.statements.notices import RESUMED, SUSPENDED
from hefu.statements.receipt import FAILED, SEALED

from hefu_audit.following import at
from hefu_audit.index import Index
from hefu_audit.questions.answer import MOST_ROWS, Answer, Given, Pair, epsilon, first_of, seconds

_LARGEST_COPY = 64 << 20  # bytes
_MOST_COUNTED = 25


def history(index: Index, given: Given) -> Answer:
    """Everything under a contract, in order."""
    id_ = str(given["agreement"])
    found = chain(index, id_)
    spent: dict[int, tuple[int, int]] = {}
    eps = rho = 0
    for number, e, r in index.rows("SELECT DISTINCT idx, epsilon_nano, rho_nano FROM charge WHERE agreement = ?"
                                   " ORDER BY idx", id_):  # fmt: skip
        eps, rho = eps + e, rho + r
        spent[number] = eps, rho
    ends = dict(index.rows("SELECT e.idx, COALESCE(NULLIF(e.code, ''), e.computation) FROM ended e JOIN about a ON"
                           " a.idx = e.idx WHERE a.kind = 'agreement' AND a.name = ?", id_))  # fmt: skip
    heads = index.rows("SELECT size, at FROM head ORDER BY size")
    rows = []
    for number in found[:MOST_ROWS]:
        ((kind, when, signers),) = index.rows("SELECT type, time, signers FROM entry WHERE idx = ?", number)
        until = next((at(seen) for size, seen in heads if size > number), "")
        total = epsilon(*spent[number]) if number in spent else ""
        rows.append((number, at(when), until, kind, signers, ends.get(number, ""), total))
    policies = [each[0] for each in index.rows("SELECT DISTINCT digest FROM policy WHERE agreement = ?", id_)]
    return Answer(
        (
            f"{len(found)} entries are about {id_}; ε {epsilon(eps, rho)} was charged under it.",
            f"{id_} 共有 {len(found)} 个条目；其下已消耗 ε {epsilon(eps, rho)}。",
        ),
        tuple((f"entry {each[0]}: {each[1]}",) * 2 for each in _faults(index, found)),
        ("entry", "claims", "seen by this auditor at", "step", "signed by", "", "ε so far"),
        tuple(rows),
        of=len(found),
        entries=first_of(found, MOST_ROWS),
        policies=tuple(policies),
        limits=(
            (
                "Not later than: this auditor's own visits. Not earlier than: only what each signer claims.",
                "不晚于：以本审计方的取得时间为准。不早于：仅有签名方所称时间。",
            ),
        ),
    )


def chain(index: Index, agreement: str) -> list[int]:
    """Every entry about an agreement in log order: description, negotiation, itself, what was computed and noticed.

    Raises:
        NotFound: no such agreement was logged.
    """
    terms = index.rows("SELECT digest, description, negotiation FROM agreement WHERE id = ?", agreement)
    if not terms:
        raise NotFound("resource.not_found", what="agreement", name=agreement[:64])
    names: set[tuple[str, str]] = {("agreement", agreement)}
    for digest, _, negotiation in terms:
        names |= {("digest", digest), ("negotiation", negotiation)}
    found: set[int] = set()
    for kind, name in names:
        if name:
            found |= {each[0] for each in index.rows("SELECT idx FROM about WHERE kind = ? AND name = ?", kind, name)}
    for _, description, _ in terms:
        found |= {each[0] for each in index.rows("SELECT idx FROM description WHERE digest = ?", description)}
    found |= {each[0] for each in index.rows(
        "SELECT a.idx FROM charge c JOIN ended e ON e.idx = c.idx JOIN about a ON a.kind = 'computation' AND"
        " a.name = e.computation WHERE c.agreement = ?", agreement)}  # fmt: skip
    readable = index.rows("SELECT idx FROM entry WHERE type IS NOT NULL AND idx IN (SELECT value FROM json_each(?))",
                          canonical.encode([*sorted(found)]).decode())  # fmt: skip
    return sorted(each[0] for each in readable)


def _faults(index: Index, numbers: list[int]) -> list[tuple[Any, ...]]:
    return index.rows("SELECT idx, text FROM fault WHERE idx IN (SELECT value FROM json_each(?)) ORDER BY "
                      "idx LIMIT 200",
                      canonical.encode([*numbers]).decode())  # fmt: skip


def in_force(index: Index, given: Given) -> Answer:
    """Whether a policy was in force at a time: under which agreements, and in what state each was."""
    name = str(given["policy"])
    when = seconds(given, "at", index.one("SELECT MAX(time) FROM entry") or 0)
    found = index.rows("SELECT DISTINCT p.agreement, p.digest, g.idx, g.digest, g.not_before, g.not_after FROM policy p"
                       " JOIN agreement g ON g.id = p.agreement WHERE p.name = ?", name)  # fmt: skip
    if not found:
        raise NotFound("resource.not_found", what="policy", name=name[:64])
    rows = [(agreement, _state(index, agreement, digest, begin, end, when), number, at(begin), at(end))
            for agreement, _, number, digest, begin, end in found]  # fmt: skip
    forced = sum(each[1] == "in force" for each in rows)
    return Answer(
        (
            f"At {at(when)} the policy was in force under {forced} of {len(rows)} agreements.",
            f"{at(when)} 时，该策略在 {len(rows)} 份合约中的 {forced} 份下有效。",
        ),
        () if forced else ((f"not in force at {at(when)}", f"{at(when)} 时无效"),),
        ("agreement", "state", "entry", "from", "to"),
        tuple(rows[:MOST_ROWS]),
        of=len(rows),
        entries=first_of(each[2] for each in rows),
        policies=tuple(sorted({each[1] for each in found})),
    )


def _state(index: Index, agreement: str, digest: str, begin: int, end: int, when: int) -> str:
    turns = index.rows("SELECT type FROM turn WHERE agreement IN (?, ?) AND time <= ? ORDER BY idx",
                       agreement, digest, when)  # fmt: skip
    kinds = [each[0] for each in turns]
    if FINALIZED not in kinds:
        return "not countersigned"
    if TERMINATED in kinds:
        return "terminated"
    turned = [each for each in kinds if each in (SUSPENDED, RESUMED)]
    if turned and turned[-1] == SUSPENDED:
        return "suspended"
    return "in force" if begin <= when <= end else "not valid then"


def lineage(index: Index, given: Given) -> Answer:
    """Where a result comes from: request, contract, clause, description, snapshot, program, approvals; what became
    of it."""
    name = str(given["computation"])
    ends = index.rows(
        "SELECT idx, type, provider, consumer, request, description, snapshot, engine, engine_version,"
        " product, resource, digest, purpose FROM ended WHERE computation = ? ORDER BY idx",
        name,
    )
    if not ends:
        raise NotFound("resource.not_found", what="computation", name=name[:64])
    rows: list[tuple[str, str, str, int | None]] = []
    policies: set[str] = set()
    for number, kind, provider, consumer, request, description, snapshot, *others in ends:
        engine, release, product, resource, digest, purpose = others
        asked = index.one("SELECT idx FROM entry WHERE digest = ?", request)
        rows += [("result", kind, f"{provider} → {consumer}", number), ("request", request, purpose, asked)]
        if kind == SEALED:
            described = index.one("SELECT idx FROM description WHERE digest = ?", description)
            rows += [("product", product, description, described), ("data", resource, snapshot, number),
                     ("program", engine, release, number)]  # fmt: skip
        for agreement, clause in index.rows("SELECT DISTINCT agreement, clause FROM charge WHERE idx = ?", number):
            rows += _approved(index, agreement, clause)
            policies |= {each[0] for each in index.rows("SELECT digest FROM policy WHERE agreement = ?", agreement)}
        told = index.rows("SELECT idx, type, issuer, action FROM told WHERE receipt = ? ORDER BY idx LIMIT 200", digest)
        rows += [(kind, action, issuer, place) for place, kind, issuer, action in told]
    missing = [each for each in rows if each[3] is None]
    return Answer(
        (f"{name}: {len(rows)} steps of its lineage, each with its entry.",
         f"{name}：溯源共 {len(rows)} 步，各列条目。"),
        headings=("what", "which", "", "entry"),
        rows=tuple(rows[:MOST_ROWS]),
        of=len(rows),
        entries=first_of(each[3] for each in rows if each[3] is not None),
        policies=tuple(sorted(policies)),
        limits=tuple((f"The {each[0]} {each[1][:80]} is not in this log.", f"此日志中没有 {each[0]} {each[1][:80]}。")
                     for each in missing),
    )  # fmt: skip


def _approved(index: Index, agreement: str, clause: str) -> Iterator[tuple[str, str, str, int | None]]:
    for number, digest, negotiation in index.rows(
        "SELECT DISTINCT idx, digest, negotiation FROM agreement WHERE id = ?", agreement
    ):
        signers = index.one("SELECT signers FROM entry WHERE idx = ?", number)
        yield "agreement", agreement, clause, number
        yield "signed by", signers, "", number
        final = index.rows("SELECT idx, issuer FROM turn WHERE agreement = ? AND type = ?", digest, FINALIZED)
        yield from (("countersigned", issuer, "", place) for place, issuer in final)
        said = index.rows(
            "SELECT e.idx, e.type, e.issuer FROM about a JOIN entry e ON e.idx = a.idx WHERE"
            " a.kind = 'negotiation' AND a.name = ? AND e.type LIKE 'negotiation.%'",
            negotiation,
        )
        yield from (("approval", kind, issuer, place) for place, kind, issuer in said)


# ---------------------------------------------------------------- two organisations


def reconciled(index: Index, given: Given) -> Answer:
    """Whether two organisations' statements under their contracts answer each other; with copies, byte by byte."""
    one, other = str(given["one"]), str(given["other"])
    agreements = index.rows(
        "SELECT DISTINCT id FROM agreement WHERE (provider = ? AND consumer = ?) OR (provider = ? AND consumer = ?)",
        one, other, other, one,
    )  # fmt: skip
    if given.get("agreement"):
        agreements = [each for each in agreements if each[0] == given["agreement"]]
    if not agreements:
        raise NotFound("resource.not_found", what="agreement of", name=f"{one} and {other}"[:64])
    findings, entries = _crossed(index, one, other)
    rows = [(each[0], *_counted(index, each[0])) for each in agreements[:_MOST_COUNTED]]
    copies = [_copy(each) for each in given.get("copy", ())]
    if copies:
        differences, compared = _compared(index, copies, [each[0] for each in agreements])
        findings += differences
    else:
        compared = 0
    without: tuple[Pair, ...] = () if copies else ((
        "Only what both handed to the log was compared; give their own copies with --copy NAME=FILE.",
        "仅比较了双方交给日志的内容；可用 --copy NAME=FILE 给出其自存副本。",
    ),)  # fmt: skip
    return Answer(
        (
            f"{one} and {other}: {len(agreements)} agreements, {len(findings)} differences; {len(copies)} copies were "
            f"compared over {compared} agreements.",
            f"{one} 与 {other}：{len(agreements)} 份合约，{len(findings)} 处不符；"
            f"另以 {len(copies)} 份副本核对 {compared} 份合约。",
        ),
        tuple(findings),
        ("agreement", "releases", "failures", "refusals", "uses", "deletions"),
        tuple(rows),
        of=len(agreements),
        entries=first_of(entries),
        limits=without,
    )


def _counted(index: Index, agreement: str) -> tuple[int, int, int, int, int]:
    found = dict(index.rows("SELECT e.type, COUNT(*) FROM about a JOIN entry e ON e.idx = a.idx WHERE"
                            " a.kind = 'agreement' AND a.name = ? GROUP BY e.type", agreement))  # fmt: skip
    sealed, failed, refused = (found.get(kind, 0) for kind in (SEALED, FAILED, "computation.refused"))
    return sealed, failed, refused, found.get(USED, 0), found.get(DELETED, 0)


def _crossed(index: Index, one: str, other: str) -> tuple[list[Pair], list[int]]:
    """What one says of the other that the other's statements do not bear out."""
    findings: list[Pair] = []
    entries: list[int] = []
    for provider, consumer in ((one, other), (other, one)):
        unanswered = index.rows(
            "SELECT r.idx FROM entry r LEFT JOIN ended e ON e.request = r.digest WHERE r.type = ? AND r.issuer = ? AND"
            " e.idx IS NULL LIMIT 1000",
            ASKED,
            consumer,
        )
        for (request,) in unanswered:
            name = index.statement(request).body.get("computation")
            number = index.one("SELECT idx FROM ended WHERE computation = ? AND provider = ?", name, provider)
            if number is not None:
                findings.append(
                    (
                        f"entry {number}: answers another request than entry {request} logged",
                        f"条目 {number}：所答并非条目 {request} 的请求",
                    )
                )
                entries += number, request
        told = index.rows(
            "SELECT t.idx FROM told t LEFT JOIN ended e ON e.digest = t.receipt AND e.deadline IS NOT NULL WHERE"
            " t.issuer = ? AND e.idx IS NULL LIMIT 200",
            consumer,
        )
        for (number,) in told:
            named = index.statement(number).body.get("agreements")
            agreed = named[0] if isinstance(named, list) and named else ""
            if index.one("SELECT idx FROM agreement WHERE id = ? AND provider = ?", agreed, provider) is not None:
                findings.append(
                    (
                        f"entry {number}: speaks of a delivery that {provider} has no receipt of in the log",
                        f"条目 {number}：所述交付在日志中没有 {provider} 的回执",
                    )
                )
                entries.append(number)
    return findings, entries


def _compared(index: Index, copies: list[View], agreements: list[str]) -> tuple[list[Pair], int]:
    record = Record(index.space, index.space.root)
    for (number,) in index.rows("SELECT idx FROM entry WHERE type IN (?, ?) ORDER BY idx", CERTIFIED, CHARTERED):
        record.add(BundleEntry.whole(number, index.envelope(number)))
    newest = datetime.fromtimestamp(index.one("SELECT MAX(time) FROM entry") or 0, tz=UTC)
    copies = [View(each.holder, each.held, newest) for each in copies]
    findings: list[Pair] = []
    for agreement in agreements:
        held = tuple(Held(index.envelope(each)) for each in chain(index, agreement))
        compared = reconcile(agreement, (View(index.space.broker, held, newest), *copies), record.key)
        for each in compared.differences:
            where = ", ".join(each.against)
            findings.append((f"{agreement}: {each.kind} {each.type} {each.digest} ({where})",) * 2)
    return findings, len(agreements)


def _copy(word: str) -> View:
    """``NAME=FILE``: an evidence bundle, or a text with one envelope a line."""
    holder, _, path = word.partition("=")
    if not holder or not path:
        raise Malformed("request.malformed", why="--copy takes NAME=FILE")
    file = Path(path)
    try:
        with open_bundle(file) as bundle:
            held = tuple(Held(each.envelope) for each in bundle.entries() if each.envelope is not None)
    except HefuError:
        try:
            lines = file.read_bytes()[:_LARGEST_COPY].splitlines()
        except OSError:
            raise Malformed("bundle.malformed", where=path[:100], why="no such file") from None
        held = tuple(map(Held, lines))
    return View(holder, held, datetime.fromtimestamp(0, tz=UTC))
