"""What is indexed of each verified statement: rows of the tables in `hefu_audit.schema`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.checking.agreed import Contract
from hefu.checking.checks import PUBLISHED, Ended, lifetimes
from hefu.envelope import Statement
from hefu.evidence.record import AGREEMENT, FINALIZED, TERMINATED, Logged, carried
from hefu.identity import CERTIFIED, JURISDICTION, STATUS, Participant, StatusList
from hefu.statements import delivery, notices
from hefu.statements.delivery import Delivered
from hefu.statements.receipt import FAILED, REFUSED, SEALED, Receipt, Refusal, Spent, journal_of

Row = tuple[object, ...]
Named = tuple[str, Row]  # table, values
_MOST_NAMED = 64
_SINGLE = frozenset({"agreement", "negotiation", "product", "resource", "computation", "delivery", "participant",
                     "consumer", "provider", "subject"})  # fmt: skip
_KINDS = {"delivery": "computation", "consumer": "participant", "provider": "participant"}
_DIGESTS = frozenset({"request", "description", "snapshot", "digest", "envelope", "receipt", "previous"})
_LISTS = {"agreements": "agreement", "parties": "participant", "resources": "resource"}
_SEEN = b'"seen":{'


def rows(logged: Logged, end: Ended | None, resources_of: Callable[[str, str], tuple[str, ...]]) -> Iterator[Named]:
    """The rows of one verified statement, besides that of ``entry``.

    Args:
        end: the end of a computation that it is (`hefu.checking.checks.end_of`).
        resources_of: the assets of an agreement at a provider, where a failure names none.

    Raises:
        Malformed: its body has not the form of its type.
    """
    statement = logged.statement
    for kind, name in sorted(_named(statement)):
        yield "about", (kind, name, logged.index)
    link = end.journal if end is not None else journal_of(statement)
    if link is not None:
        place = (statement.issuer, link.connector, link.sequence, logged.index, link.previous, logged.envelope)
        yield "journal", place
    if _SEEN in statement.payload:
        yield from _seen(logged)
    read = _READERS.get(statement.type)
    if read is not None:
        yield from read(logged)
    elif end is not None:
        yield from _ended(logged, end, resources_of)
    elif statement.type in delivery.READERS:
        yield _told(logged)


def seconds(at: datetime) -> int:
    """A time as the tables have it."""
    return int(at.timestamp())


def _named(statement: Statement) -> set[tuple[str, str]]:
    """What a statement names, as (kind, name)."""
    body, found = statement.body, set[tuple[str, str]]()
    for name, value in body.items():
        if isinstance(value, str):
            if name in _SINGLE and 0 < len(value) <= 128:
                found.add(("digest" if value.startswith("sha256:") else _KINDS.get(name, name), value))
            elif name in _DIGESTS and value.startswith("sha256:"):
                found.add(("digest", value))
        elif name in _LISTS:
            found.update((_LISTS[name], each) for each in _ids(value, _LISTS[name]))
    if statement.type in ("negotiation.agreed", "negotiation.verified"):
        found.add(("agreement", str(carried(statement).body.get("agreement"))))
    return found


def _ids(value: Json, member: str) -> Iterator[str]:
    for each in value[:_MOST_NAMED] if isinstance(value, list) else ():
        one = each.get(member) if isinstance(each, dict) else each
        if isinstance(one, str) and one:
            yield one


def _charges(spent: Spent) -> tuple[int, int, int, int]:
    return spent.epsilon_nano, spent.delta_femto, spent.releases, spent.rho_nano


def _ended(logged: Logged, end: Ended, resources_of: Callable[[str, str], tuple[str, ...]]) -> Iterator[Named]:
    statement, issuer = logged.statement, logged.statement.issuer
    at = seconds(statement.time)
    if isinstance(end, Receipt):
        made = end
        said = Delivered.of(made)
        yield "ended", (
            logged.index, SEALED, at, made.computation, made.request, issuer, made.consumer, made.journal.connector,
            made.product, made.description, made.resource, made.snapshot, made.engine, made.engine_version,
            *_charges(made.charge), "", "", seconds(made.admitted), made.output.kind, made.output.cells,
            _text(made.facts.get("purpose")), seconds(said.delete_by) if said else None, statement.digest(),
        )  # fmt: skip
        for number, each in enumerate(made.agreements):
            asset = made.under(each.agreement).resource
            yield "charge", (logged.index, each.agreement, issuer, asset, each.digest, each.clause, at,
                             *_charges(made.charge), int(number == 0))  # fmt: skip
        return
    failed = end
    yield "ended", (
        logged.index, FAILED, at, failed.computation, failed.request, issuer, failed.consumer,
        failed.journal.connector, "", "", failed.resource, "", "", "", *_charges(failed.charge), failed.code, "",
        None, "", 0, "", None, statement.digest(),
    )  # fmt: skip
    for number, agreement in enumerate(dict.fromkeys(failed.agreements)):
        asset = failed.asset(agreement)
        for place, resource in enumerate((asset,) if asset else resources_of(agreement, issuer) or ("",)):
            yield "charge", (logged.index, agreement, issuer, resource, "", "", at, *_charges(failed.charge),
                             int(number == place == 0))  # fmt: skip


def _refused(logged: Logged) -> Iterator[Named]:
    refused = Refusal.of(logged.statement)
    reasons = canonical.encode([*refused.reasons]).decode()
    yield from (("denial", (each, logged.index)) for each in dict.fromkeys(refused.agreements))
    yield "ended", (
        logged.index, REFUSED, seconds(logged.statement.time), refused.computation, refused.request,
        logged.statement.issuer, refused.consumer, refused.journal.connector, "", "", "", "", "", "", 0, 0, 0, 0,
        refused.code, reasons, None, "", 0, "", None, logged.statement.digest(),
    )  # fmt: skip


def _agreement(logged: Logged) -> Iterator[Named]:
    contract = Contract.of(logged)
    negotiation = _text(contract.body.get("negotiation"))
    for each in (contract, *contract.further):
        yield "agreement", (
            each.id, each.provider, logged.index, each.digest, each.envelope, each.connector, each.consumer,
            each.product, each.description, seconds(each.not_before), seconds(each.not_after),
            int(each.window.total_seconds()), *_charges(each.budget), negotiation,
        )  # fmt: skip
        if each.product:
            yield "about", ("product", each.product, logged.index)
        yield "about", ("digest", each.description, logged.index)
        for resource in each.resources:
            yield "about", ("resource", resource, logged.index)
    for strategy in _strategies(contract.body):
        policy = strategy.get("policy")
        digest = canonical.digest(canonical.encode(policy))
        names = {_text(strategy.get("strategy")), digest, _text(policy.get("@id")) if isinstance(policy, dict) else ""}
        for name in sorted(names - {""}):
            yield "policy", (name, contract.id, digest, logged.index)


def _strategies(body: Object) -> Iterator[Object]:
    for part in (body, *_objects(body.get("further"))):
        yield from _objects(part.get("strategies"))


def _objects(value: Json) -> list[Object]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _turn(logged: Logged) -> Iterator[Named]:
    statement = logged.statement
    agreement, envelope = _text(statement.body.get("agreement")), _text(statement.body.get("envelope"))
    yield "turn", (agreement, logged.index, statement.type, seconds(statement.time), statement.issuer, envelope)


def _notice(logged: Logged) -> Iterator[Named]:
    said = notices.read(logged.statement)
    if isinstance(said, notices.Change):
        yield from _turn(logged)
        return
    code, about = (said.code, said.about) if isinstance(said, notices.Deviated) else ("", "")
    yield "duty", (logged.index, logged.type, said.agreement, said.duty, said.subject, code, about)


def _published(logged: Logged) -> Iterator[Named]:
    statement = logged.statement
    body, digest = statement.body, statement.digest()
    flags = (int(body.get(name) is True) for name in ("personal_data", "important_data", "cross_border"))
    grade, version = body.get("security_grade"), body.get("version")
    yield "description", (
        digest, logged.index, statement.issuer, _text(body.get("product")), version if isinstance(version, int) else 0,
        seconds(statement.time), grade if isinstance(grade, int) else 0, *flags, _text(body.get("legal_basis")),
        canonical.encode(body.get("title")).decode(),
    )  # fmt: skip
    for resource, total in lifetimes(body).items():
        yield "lifetime", (statement.issuer, resource, logged.index, *_charges(total))
        yield "about", ("resource", resource, logged.index)


def _certified(logged: Logged) -> Iterator[Named]:
    one = Participant.of(logged.statement)
    where = ",".join(sorted(one.attributes().get(JURISDICTION, frozenset())))
    yield "certified", (
        logged.index, one.id, ",".join(sorted(one.roles)), seconds(one.not_before), seconds(one.not_after),
        seconds(logged.statement.time), where,
    )  # fmt: skip
    for key in one.signing:
        yield "held", (key.key, one.id, logged.index)


def _status(logged: Logged) -> Iterator[Named]:
    for each in StatusList.of(logged.statement).standings:
        yield "standing", (logged.index, each.subject, each.state, seconds(each.since))
        yield "about", ("participant", each.subject, logged.index)


def _told(logged: Logged) -> Named:
    said = delivery.READERS[logged.type](logged.statement)
    action = said.cause if isinstance(said, delivery.Deleted) else said.action
    code = said.code if isinstance(said, delivery.Denied) else ""
    at = seconds(logged.statement.time)
    issuer = logged.statement.issuer
    return "told", (logged.index, logged.type, at, issuer, said.kept.delivery, said.kept.receipt, action, code)


def _seen(logged: Logged) -> Iterator[Named]:
    said = canonical.decode_object(logged.statement.payload).get("seen")
    if isinstance(said, dict) and isinstance(said.get("size"), int) and isinstance(said.get("root"), str):
        yield "seen", (logged.index, said["size"], said["root"], None)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


_READERS: dict[str, Callable[[Logged], Iterator[Named]]] = {
    AGREEMENT: _agreement,
    FINALIZED: _turn,
    TERMINATED: _turn,
    REFUSED: _refused,
    PUBLISHED: _published,
    CERTIFIED: _certified,
    STATUS: _status,
    **dict.fromkeys(notices.READERS, _notice),
}
