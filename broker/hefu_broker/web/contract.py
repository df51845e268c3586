"""A contract in the browser of one of its parties or of a regulator: who, what, rounds, budget, events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from hefu.errors import HefuError, Malformed
from hefu.tlog import tree
from hefu_policies import odrl
from hefu_policies.agreeing.contract import Agreement
from hefu_policies.bargaining import rounds
from hefu_policies.telling import wording
from starlette.responses import Response

from hefu_broker.membership import visits
from hefu_broker.web import showing, visitor
from hefu_broker.web.catalog import budget_values, spent_text
from hefu_broker.web.words import entry_word

if TYPE_CHECKING:
    from hefu.envelope import Statement
    from hefu.errors import Language
    from hefu.identity import Binding
    from hefu.statements.receipt import Spent
    from hefu_policies.budget import Budget

    from hefu_broker.records import Talk
    from hefu_broker.rooms import Rooms

PAGE = 100
_BATCHES = 8  # that one page may wait for
router = APIRouter()


@router.api_route("/contracts/{id_}", methods=["GET", "HEAD"])
def contract(request: Request, id_: str, before: str = "") -> Response:
    """One contract or negotiation, for whoever was given a link to it."""
    rooms, language = visitor.rooms_of(request), visitor.language_of(request)
    reader = visitor.reader(request, visits.contract_page(id_))
    talk = rooms.contracts.talk(reader, id_)  # asked anew each time: a role may have been taken away meanwhile
    agreed = Agreement.of(talk.agreement.body) if talk.agreement is not None else None
    return showing.page(
        request,
        "contract.html",
        {
            "talk": talk,
            "agreed": agreed,
            "reader": reader.participant,
            "title": _title(rooms, talk),
            "parties": _parties(rooms, talk, agreed, language),
            "rounds": _rounds(rooms, talk, language),
            "told": [
                wording.explain(odrl.load(each.policy), language) for each in (agreed.strategies if agreed else ())
            ],
            "steps": _steps(rooms, talk, reader, language),
            **_events(rooms, talk, agreed, reader, before, language),
        },
    )


def _title(rooms: Rooms, talk: Talk) -> Any:
    try:
        return rooms.catalog.version(talk.product, talk.description).title
    except HefuError:
        return {"en": talk.product}


def _parties(rooms: Rooms, talk: Talk, agreed: Agreement | None, language: Language) -> list[dict[str, Any]]:
    if agreed is None:
        return [
            {"id": each, "name": _name(rooms, each, language), "role": role, "connector": "", "signed": None}
            for each, role in ((talk.provider, "provider"), (talk.consumer, "consumer"))
        ]
    signed = {each.key.partition("#")[0]: each.time for each in (talk.agreement.signatures if talk.agreement else ())}
    return [
        {
            "id": each.participant,
            "name": _name(rooms, each.participant, language),
            "role": each.role,
            "connector": each.connector,
            "signed": signed.get(each.participant),
        }
        for each in agreed.parties
    ]


def _name(rooms: Rooms, participant: str, language: Language) -> str:
    try:
        return showing.pick(rooms.registry.directory.participant(participant).names, language) or participant
    except HefuError:
        return participant


def _rounds(rooms: Rooms, talk: Talk, language: Language) -> list[dict[str, Any]]:
    """Every message with the terms it changed; without them where the offer is not to be had any more."""
    try:
        description = rooms.catalog.version(talk.product, talk.description)
        offer = description.offer(talk.offer)
        found = rounds.history(description, offer, talk.messages) if offer is not None else ()
    except HefuError:
        found = ()
    if not found:
        return [
            {"move": each.type.removeprefix(rounds.PREFIX), "who": each.issuer, "user": "", "at": each.time,
             "steps": (), "reason": "", "word": entry_word(each.type, language)}
            for each in talk.messages
        ]  # fmt: skip
    return [
        {"move": each.move.value, "who": each.participant, "user": each.user, "at": each.at, "steps": each.steps,
         "reason": each.reason, "word": entry_word(rounds.PREFIX + each.move.value, language)}
        for each in found
    ]  # fmt: skip


def _steps(rooms: Rooms, talk: Talk, reader: Binding, language: Language) -> list[dict[str, Any]]:
    """The statements that made the contract and what the parties stated about it, with their places in the log."""
    said = [*talk.messages, *filter(None, (talk.agreement, talk.countersignature))]
    if talk.agreement is not None and talk.notices:
        said += rooms.notices.page(reader, str(talk.agreement.body["agreement"]), 0)
    return [_step(rooms, each, language) for each in [*said, *([talk.termination] if talk.termination else [])]]


def _step(rooms: Rooms, said: Statement, language: Language) -> dict[str, Any]:
    index = rooms.log.index_of(tree.leaf_hash(said.to_bytes()))
    return {"index": index, "type": said.type, "word": entry_word(said.type, language), "who": said.issuer,
            "at": said.time}  # fmt: skip


def _events(
    rooms: Rooms, talk: Talk, agreed: Agreement | None, reader: Binding, before: str, language: Language
) -> dict[str, Any]:
    """What was computed, and what it cost, as far as the reader may know of it."""
    if agreed is None:
        return {"events": [], "older": None, "budgets": [], "looked": 0, "size": 0}
    looked, issuers = rooms.mentions.catch_up(_BATCHES), _issuers(rooms, talk, reader)
    found = rooms.mentions.store.of(agreed.id, issuers, _number(before), PAGE)
    charged = rooms.mentions.store.charged(agreed.id, issuers)
    granted = {agreed.provider.participant: agreed.budget}
    granted |= {each.provider: each.budget for each in agreed.further}
    budgets = [_budget(each, budget, charged.get(each)) for each, budget in granted.items() if each in issuers]
    events = [
        {"index": each.index, "type": each.type, "word": entry_word(each.type, language), "who": each.issuer,
         "charge": _charge_text(each.charge)}
        for each in found
    ]  # fmt: skip
    older = found[-1].index if len(found) == PAGE else None
    return {"events": events, "older": older, "budgets": budgets, "looked": looked, "size": rooms.log.size()}


def _issuers(rooms: Rooms, talk: Talk, reader: Binding) -> set[str]:
    """Whose statements about the contract the reader may read: as `AuditLog` gives them out."""
    charter = rooms.registry.directory.charter
    regulators = {*charter.regulators} if charter is not None else set[str]()
    if rooms.contracts.reader(reader) is None or reader.participant == talk.consumer:
        return {*talk.parties} | regulators
    return {reader.participant, talk.consumer} | regulators


def _budget(provider: str, granted: Budget, spent: Spent | None) -> dict[str, Any]:
    values = (spent.epsilon_nano, spent.delta_femto, spent.releases, spent.rho_nano) if spent else (0, 0, 0, 0)
    limits = budget_values(granted)
    shares = [value / limit for value, limit in zip(values, limits, strict=True) if limit]
    return {
        "provider": provider,
        "granted": spent_text(limits),
        "spent": spent_text(values),
        "share": max(shares, default=0.0),
    }


def _charge_text(charge: Spent) -> str:
    values = charge.epsilon_nano, charge.delta_femto, charge.releases, charge.rho_nano
    return spent_text(values) if any(values) else ""


def _number(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Malformed("request.malformed", why="an entry is named by its index")
    return int(text)
