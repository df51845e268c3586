"""One contract as one file: its entries with proofs, from a verified copy (`hefu.evidence.contract_bundle`)."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Iterator
from pathlib import Path

from hefu import canonical, identity
from hefu.checking import contract_checks
from hefu.errors import Malformed, NotFound
from hefu.evidence import contract_bundle
from hefu.evidence.bundle import BundleEntry
from hefu.evidence.record import Record
from hefu.membership.charter import CHARTERED, Charter
from hefu.tlog import tree
from hefu.tlog.proof import LogProof

from hefu_audit import story
from hefu_audit.index import Index
from hefu_audit.questions.contracts import chain


def write(path: Path, index: Index, agreement: str, size: int | None = None) -> contract_bundle.ContractManifest:
    """Write the bundle of a contract.

    Args:
        size: of an earlier checkpoint that this auditor verified; then the newest goes along, with the proof that it
            extends that one. By default the newest is the bundle's own.

    Raises:
        NotFound: the copy has no such agreement, or no checkpoint of that size.
        Malformed: the agreement stands behind that checkpoint.
    """
    heads = index.rows("SELECT size, note FROM head ORDER BY size")
    chosen = [each for each in heads if size is None or each[0] == size]
    if not chosen:
        raise NotFound("resource.not_found", what="checkpoint of size", name=str(size))
    own, note = chosen[-1]
    told = [each for each in chain(index, agreement) if each < own]
    if index.one("SELECT MIN(idx) FROM agreement WHERE id = ?", agreement) not in told:
        raise Malformed("request.malformed", why="the agreement stands behind that checkpoint")
    numbers = sorted({*told, *_identity(index, told, own)})
    entries = [(each, index.envelope(each), _proof(index, each, own, note)) for each in numbers]
    record = Record(index.space, index.space.root)
    for number, envelope, _ in entries:
        record.add(BundleEntry.whole(number, envelope))
    further = {
        contract_bundle.AGREEMENT: next(record_.statement.to_bytes() for record_ in record.of("agreement")
                                        if record_.statement.body.get("agreement") == agreement),
        contract_bundle.KEYS: contract_checks.keys_of(record),
        contract_bundle.REPORT: _page(record, agreement, note).encode(),
        **_policy(record),
        **_later(index, own, heads[-1]),
    }  # fmt: skip
    return contract_bundle.write_contract(path, index.space, note, own, agreement, entries, further)


def _proof(index: Index, number: int, size: int, note: str) -> str:
    return str(LogProof(number, tuple(tree.inclusion_proof(number, size, index.read)), note))


def _identity(index: Index, told: Iterable[int], size: int) -> Iterator[int]:
    """From which the keys and standings of everybody in it follow: all their certifications, all charters, and the
    newest status list before each entry and before the checkpoint."""
    people = {index.space.broker}
    for number in told:
        people |= {*str(index.one("SELECT signers FROM entry WHERE idx = ?", number)).split(",")}
        for (name,) in index.rows("SELECT name FROM about WHERE idx = ?1 AND kind = 'participant'"
                                  " AND name IN (SELECT participant FROM certified)", number):  # fmt: skip
            people.add(name)
        yield from _newest(index, identity.STATUS, number)
    for name in sorted(people):
        found = index.rows("SELECT idx FROM certified WHERE participant = ? AND idx < ?", name, size)
        yield from (each[0] for each in found)
    yield from (each[0] for each in index.rows("SELECT idx FROM entry WHERE type = ? AND idx < ?", CHARTERED, size))
    yield from _newest(index, identity.STATUS, size)


def _newest(index: Index, kind: str, before: int) -> Iterator[int]:
    found = index.one("SELECT MAX(idx) FROM entry WHERE type = ? AND idx < ?", kind, before)
    if found is not None:
        yield found


def _policy(record: Record) -> dict[str, bytes]:
    texts = [Charter.of(each.statement).witnesses for each in record.of(CHARTERED)]
    return {contract_bundle.POLICY: texts[-1].encode()} if texts and texts[-1] else {}


def _later(index: Index, size: int, newest: tuple[int, str]) -> dict[str, bytes]:
    if newest[0] <= size:
        return {}
    hashes = tree.consistency_proof(size, newest[0], index.read)
    body: canonical.Object = {
        "old": size, "new": newest[0], "hashes": [base64.b64encode(each).decode() for each in hashes]
    }  # fmt: skip
    return {contract_bundle.LATER: newest[1].encode(), contract_bundle.CONSISTENCY: canonical.encode(body)}


_STYLE = (
    "body{font:15px/1.5 system-ui,'Noto Sans SC',sans-serif;max-width:62rem;margin:2rem auto}table{width:100%;"
    "border-collapse:collapse}td,th{border-bottom:1px solid #ccc;text-align:left;padding:.2rem .5rem;"
    "overflow-wrap:anywhere}@media print{body{font-size:11px;margin:0}tr{break-inside:avoid}}"
)


def _page(record: Record, agreement: str, note: str) -> str:
    """The contract's story for people, English and Chinese side by side; what counts are the entries beside it."""
    told = story.tell(record, agreement)
    contract = told.contract
    lines = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{html.escape(agreement)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Contract 合约 {html.escape(agreement)}</h1>",
        f"<p>{html.escape(contract.provider)} → {html.escape(contract.consumer)}, "
        f"{html.escape(contract.product)}. Verify 验证: <code>hefu verify FILE --space space.json</code></p>",
        "<table><thead><tr><th>entry 条目</th><th>time 时间</th><th>step 步骤</th><th>signed by 签署</th><th></th>"
        "<th>ε (10⁻⁹)</th></tr></thead><tbody>",
    ]
    for step in told.steps:
        spent = step.spent.epsilon_nano or step.spent.rho_nano if step.spent else ""
        cells = (step.index, step.time, step.type, ", ".join(step.signers), step.note, spent)
        lines.append("<tr>" + "".join(f"<td>{html.escape(str(each))}</td>" for each in cells) + "</tr>")
    lines.append(f"</tbody></table><pre>{html.escape(note)}</pre></body></html>")
    return "\n".join(lines) + "\n"
