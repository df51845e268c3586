"""A report: an answer that its auditor signed, for machines (JSON) and for people (one printable page).

The file holds the answer, the statement ``audit.report`` over its digest and its main words, and the auditor's own
certification by the space's root, so that whoever has the root key verifies it without asking anybody. The page holds
the same file inside, and loads nothing from anywhere.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hefu import canonical, identity
from hefu.canonical import Json, Object
from hefu.envelope import Statement, draft
from hefu.errors import Language, Malformed, Untrusted
from hefu.identity import Participant
from hefu.keeping.keys import write_private
from hefu.membership.enrolment import KeyRing
from hefu.space import API_VERSION, SpaceFile
from hefu.times import Clock, write_time
from hefu.tlog import checkpoint
from hefu.tlog.note import VerifierKey

from hefu_audit.index import Index
from hefu_audit.questions.answer import Asked

REPORTED, KIND = "audit.report", "AuditReport"
LARGEST = 64 << 20  # bytes
_INSIDE = re.compile(r'<script type="text/plain" id="hefu-report">([A-Za-z0-9+/=\s]+)</script>')
_SIGNED = ("question", "asks", "parameters", "holds", "sentence", "checkpoint", "tool", "limits")


@dataclass(frozen=True, slots=True)
class Reported:
    """A report that verified: who reported, when, and the answer."""

    auditor: str
    time: str
    answer: Object


def make(asked: Asked, index: Index, ring: KeyRing, clock: Clock) -> bytes:
    """The signed report of an answer.

    Raises:
        Malformed: the copy has no certification of this auditor's key.
    """
    signer, now, answer = ring.signer(), clock.now(), asked.document()
    certified = _certified(index, ring.participant, signer.key)
    body: Object = {name: answer[name] for name in _SIGNED} | {"answer": canonical.digest(canonical.encode(answer))}
    statement = draft(REPORTED, body, space=index.space.space, issuer=ring.participant, at=now).sign(signer, now)
    file: Object = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "answer": answer,
        "report": canonical.decode(statement.to_bytes()),
        "certified": canonical.decode(certified),
    }
    return canonical.encode(file)


def write(place: Path, name: str, report: bytes, language: Language) -> list[Path]:
    """Write a report: into a folder both forms, or one file, by the end of its name.

    Raises:
        Malformed: another end.
    """
    page = page_of(report, language).encode()
    if place.suffix == ".json":
        found = [(place, report)]
    elif place.suffix in (".html", ".htm"):
        found = [(place, page)]
    elif place.suffix:
        raise Malformed("request.malformed", why="a report is a folder, or a file ending in .json or .html")
    else:
        place.mkdir(parents=True, exist_ok=True)
        found = [(place / f"{name}.json", report), (place / f"{name}.html", page)]
    for path, data in found:
        path.unlink(missing_ok=True)
        write_private(path, data)
    return [path for path, _ in found]


def check(data: bytes, space: SpaceFile) -> Reported:
    """Verify a report, or the page that holds one, under a pinned root.

    Raises:
        Malformed: it cannot be read.
        Untrusted: its auditor's certification, signature, checkpoint or answer does not hold.
    """
    file = _read(data)
    answer, said, given = file["answer"], file["report"], file["certified"]
    if not isinstance(answer, dict) or not isinstance(said, dict) or not isinstance(given, dict):
        raise Malformed("bundle.malformed", where="the report", why="a member has another form")
    certified = Statement.parse(canonical.encode(given))
    certified.verify({space.root.key: space.root}, identity.ROOT)
    auditor = Participant.of(certified)
    statement = Statement.parse(canonical.encode(said)).expect(REPORTED)
    statement.verify({each.key: each for each in auditor.signing}, auditor.id)
    if {certified.space, statement.space} != {space.space}:
        raise Untrusted("space.other", found=statement.space, expected=space.space)
    if not auditor.not_before <= statement.time <= auditor.not_after:
        raise Untrusted("identity.expired", participant=auditor.id)
    expected: Object = {name: answer.get(name) for name in _SIGNED}
    if statement.body != {**expected, "answer": canonical.digest(canonical.encode(answer))}:
        raise Untrusted("audit.report", why="its answer is not what was signed")
    _check_head(answer.get("checkpoint"), space)
    return Reported(auditor.id, write_time(statement.time), answer)


def _check_head(cited: Json, space: SpaceFile) -> None:
    if not isinstance(cited, dict) or not isinstance(cited.get("note"), str):
        raise Untrusted("audit.report", why="it names no checkpoint")
    head = checkpoint.verify(str(cited["note"]), VerifierKey.parse(space.log_key))
    if (head.size, head.root.hex()) != (cited.get("size"), cited.get("root")):
        raise Untrusted("audit.report", why="it cites another checkpoint than it holds")


def _read(data: bytes) -> Object:
    inside = _INSIDE.search(data.decode("utf-8", "replace")) if data.lstrip()[:1] == b"<" else None
    raw = base64.b64decode("".join(inside[1].split())) if inside else data
    file = canonical.decode_object(raw, LARGEST)
    if set(file) != {"apiVersion", "kind", "answer", "report", "certified"} or file["kind"] != KIND:
        raise Malformed("bundle.malformed", where="the report", why="not a report")
    if inside and page_of(raw, "zh" if b'<html lang="zh"' in data[:200] else "en").encode() != data:
        raise Untrusted("audit.report", why="the page says something else than the report inside of it")
    return file


def _certified(index: Index, participant: str, key: str) -> bytes:
    found = index.rows("SELECT idx FROM held WHERE participant = ? AND key = ? ORDER BY idx DESC LIMIT 1",
                       participant, key)  # fmt: skip
    if not found:
        raise Malformed("audit.uncertified", participant=participant)
    return index.envelope(found[0][0])


# ---------------------------------------------------------------- the page

_STYLE = (
    "body{font:15px/1.5 system-ui,'Noto Sans SC',sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "h1{font-size:1.4rem}table{border-collapse:collapse;width:100%;font-size:.85rem}"
    "th,td{border-bottom:1px solid #ccc;padding:.2rem .5rem;text-align:left;overflow-wrap:anywhere}"
    ".bad{color:#a00}dt{font-weight:600}dd{margin:0 0 .5rem;overflow-wrap:anywhere}pre{white-space:pre-wrap}"
    "@media print{body{margin:0;max-width:none;font-size:11px}thead{display:table-header-group}tr{break-inside:avoid}}"
)
_WORDS: dict[str, tuple[str, str]] = {
    "holds": ("It holds.", "成立。"),
    "found": ("Something was found.", "有发现。"),
    "findings": ("Findings", "发现"),
    "rows": ("What it rests on", "依据"),
    "of": ("rows shown of", "行，共"),
    "limits": ("What this report could not check", "本报告未能核对者"),
    "proof": ("Checkpoint", "检查点"),
    "entries": ("Entries", "条目"),
    "policies": ("Policies", "策略"),
    "parameters": ("Asked with", "所给参数"),
    "signed": ("Signed by", "签署"),
    "tool": ("Made with", "工具"),
    "verify": (
        "The signed report is inside of this page. Verify it: hefu audit report verify FILE --space space.json",
        "签名报告在本页之内。验证：hefu audit report verify FILE --space space.json",
    ),
}


def page_of(report: bytes, language: Language) -> str:
    """The printable page of a report, the report itself inside; the same report makes the same page."""
    file = canonical.decode_object(report, LARGEST)
    answer, said = file["answer"], file["report"]
    assert isinstance(answer, dict)  # noqa: S101 - written by `make`, or verified
    lines = [*_page(answer, Statement.parse(canonical.encode(said)), language)]
    inside = base64.b64encode(report).decode()
    lines.append(f'<script type="text/plain" id="hefu-report">{inside}</script></body></html>')
    return "\n".join(lines) + "\n"


def _page(answer: Object, statement: Statement, language: Language) -> Iterator[str]:
    zh = language == "zh"

    def word(name: str) -> str:
        return html.escape(_WORDS[name][zh])

    def say(pair: Json) -> str:
        return html.escape(str(pair.get(language, "")) if isinstance(pair, dict) else "")

    title, holds = say(answer["asks"]), answer["holds"] is True
    yield (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy"'
        f" content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>{title}</title>"
    )
    yield f"<style>{_STYLE}</style></head>"
    yield f"<body><h1>{title}</h1><p>{say(answer['sentence'])}</p>"
    yield f"<p>{word('holds')}</p>" if holds else f'<p class="bad">{word("found")}</p>'
    for name in ("findings", "limits"):
        items = "".join(f"<li>{say(each)}</li>" for each in _list(answer[name]))
        yield f"<h2>{word(name)}</h2><ul>{items}</ul>" if items else ""
    rows = _list(answer["rows"])
    if rows:
        yield f"<h2>{word('rows')}</h2><p>{len(rows)} {word('of')} {answer['of']}</p><table><thead>"
        yield _row("th", answer["headings"]) + "</thead><tbody>"
        yield from (_row("td", each) for each in rows)
        yield "</tbody></table>"
    yield "<dl>"
    head = answer["checkpoint"]
    note = str(head.get("note", "")) if isinstance(head, dict) else ""
    fetched = str(head.get("fetched", "")) if isinstance(head, dict) else ""
    yield f"<dt>{word('proof')}</dt><dd><pre>{html.escape(note)}</pre>{html.escape(fetched)}</dd>"
    for name in ("entries", "policies"):
        values = ", ".join(map(str, _list(answer[name])))
        yield f"<dt>{word(name)}</dt><dd>{html.escape(values)}</dd>" if values else ""
    asked = canonical.encode(answer["parameters"]).decode()
    yield f"<dt>{word('parameters')}</dt><dd>{html.escape(str(answer['question']))} {html.escape(asked)}</dd>"
    who = f"{statement.issuer}, {write_time(statement.time)}"
    yield f"<dt>{word('signed')}</dt><dd>{html.escape(who)}</dd>"
    yield f"<dt>{word('tool')}</dt><dd>{html.escape(str(answer['tool']))}</dd></dl><p>{word('verify')}</p>"


def _row(cell: str, values: Json) -> str:
    shown = ("" if each is None else html.escape(str(each)) for each in _list(values))
    return "<tr>" + "".join(f"<{cell}>{each}</{cell}>" for each in shown) + "</tr>"


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
