"""Do the copies of one contract agree: what its provider, its consumer and the log each hold?

A log proves that what it holds was not changed; it cannot prove that nothing was left out. Two parties who kept what
they signed and were sent can: a statement that one copy lacks and others have is a finding, proven by the others'
bytes, which the signer signed. Pure: plain copies in, findings out; whoever asks fetches the copies (`View`).

Rules, in order:
1. A statement counts if its signatures hold under keys that the root certified; else who shows it is named for it.
2. The log holds everything. A party holds what it signed, every message of the negotiation, the agreement and its
   countersignature, and every notice; a consumer the receipts and failures of what it asked, a sole provider the proofs
   that what it delivered was deleted. What else a party may hold is not missed.
3. A copy is held to what was signed a while before it was taken: what is younger is on its way.
4. One id, and one place in a connector's journal, stand for one statement: two of them contradict each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hefu.canonical import Object
from hefu.checking.checks import PUBLISHED
from hefu.envelope import PublicKey, Statement
from hefu.errors import HefuError, NotFound
from hefu.evidence.record import AGREEMENT, FINALIZED, Record, carried, parties
from hefu.members import listed
from hefu.statements import delivery
from hefu.statements.receipt import FAILED, SEALED
from hefu.times import write_time

MISSING, CONTRADICTS, RESIGNED, FORGED = "missing", "contradicts", "resigned", "forged"
ON_ITS_WAY = timedelta(minutes=10)
_CARRIERS = ("negotiation.agreed", "negotiation.endorsed", "negotiation.verified")
KeyOf = Callable[[str], PublicKey | None]


@dataclass(frozen=True, slots=True)
class Held:
    """One statement that somebody holds: its exact bytes, and the log's proof of it (a tlog-proof) if it has one."""

    envelope: bytes
    proof: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """One copy.

    Attributes:
        holder: the participant whose copy it is; whoever is no party of the contract holds the log's.
        taken: when. Nothing that was signed later is missed in it.
    """

    holder: str
    held: tuple[Held, ...]
    taken: datetime


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the copies do not agree.

    Attributes:
        kind: ``missing``, ``contradicts`` (two statements in one place), ``resigned`` (the same words with other
            signatures) or ``forged`` (a signature on it does not hold).
        digest: of the statement's payload.
        against: whose copy lacks it, or shows the other one.
        proofs: who shows it, with the very bytes; they prove themselves by their signatures.
    """

    kind: str
    digest: str
    type: str
    issuer: str
    time: str
    against: tuple[str, ...]
    proofs: tuple[tuple[str, Held], ...]

    def document(self) -> Object:
        """The finding for machines, without the bytes."""
        return {
            "kind": self.kind,
            "digest": self.digest,
            "type": self.type,
            "issuer": self.issuer,
            "time": self.time,
            "against": [*self.against],
            "shown_by": [holder for holder, _ in self.proofs],
        }


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What the comparison of copies came to.

    Attributes:
        statements: how many different statements of the contract the copies hold together.
        young: how many are on their way to a copy, and were not missed in it.
    """

    agreement: str
    holders: tuple[str, ...]
    statements: int
    young: int
    differences: tuple[Difference, ...]

    @property
    def holds(self) -> bool:
        """Whether all copies agree."""
        return not self.differences

    def document(self) -> Object:
        """The outcome for machines."""
        return {
            "agreement": self.agreement,
            "holders": [*self.holders],
            "statements": self.statements,
            "young": self.young,
            "differences": listed(each.document() for each in self.differences),
        }


def reconcile(agreement: str, views: Sequence[View], key: KeyOf, on_its_way: timedelta = ON_ITS_WAY) -> Reconciliation:
    """Compare the copies of a contract.

    Args:
        agreement: its id; what concerns other contracts is left out.
        key: certified keys by id, such as `Record.key`.

    Raises:
        NotFound: no copy has the agreement with the signatures of all its parties.
    """
    shown: dict[str, dict[str, Held]] = defaultdict(dict)  # payload digest -> holder -> what it holds
    known: dict[str, Statement] = {}
    differences: list[Difference] = []
    read = [(view, each, statement) for view in views for each, statement in _read(view)]
    agreed = _agreed(agreement, (statement for _, _, statement in read), key)
    for view, each, statement in read:
        if not concerns(statement, agreed):
            continue
        if not _is_signed(statement, key):  # 1
            differences.append(_difference(FORGED, statement, [view.holder], {view.holder: each}))
            continue
        known.setdefault(statement.digest(), statement)
        shown[statement.digest()][view.holder] = each
    young = 0
    for digest, statement in known.items():
        lacking = [view for view in views if view.holder not in shown[digest] and _expected(view, statement, agreed)]
        late = [each.holder for each in lacking if statement.time + on_its_way <= each.taken]  # 3
        young += len(late) < len(lacking)
        if late:
            differences.append(_difference(MISSING, statement, late, shown[digest]))
        if len({each.envelope for each in shown[digest].values()}) > 1:
            differences.append(_difference(RESIGNED, statement, [*shown[digest]], shown[digest]))
    differences += _contradictions(known, shown)  # 4
    return Reconciliation(agreement, tuple(each.holder for each in views), len(known), young, tuple(differences))


def view_of(record: Record, holder: str, taken: datetime) -> View:
    """The log's copy, from what a verified record holds of it; `holder` is whoever keeps the log."""
    return View(holder, tuple(Held(each.statement.to_bytes()) for each in record.logged), taken)


def concerns(statement: Statement, agreed: Statement) -> bool:
    """Whether a statement is about a contract: its negotiation, itself, what was computed and noticed under it."""
    body, terms = statement.body, agreed.body
    if statement.type == PUBLISHED:
        return statement.digest() == terms.get("description")
    if statement.type == AGREEMENT:
        return body.get("agreement") == terms.get("agreement")
    if statement.type == FINALIZED:
        return body.get("agreement") == agreed.digest()
    if statement.type.startswith("negotiation."):
        return "negotiation" in terms and body.get("negotiation") == terms["negotiation"]
    named = body.get("agreements")
    rows = named if isinstance(named, list) else []
    under = [each.get("agreement") if isinstance(each, dict) else each for each in rows]
    return terms["agreement"] in [*under, body.get("agreement")]


def _read(view: View) -> Iterator[tuple[Held, Statement]]:
    """What can be read of a copy; what cannot proves nothing, and is missed in it if another copy has it."""
    for each in view.held:
        try:
            yield each, Statement.parse(each.envelope)
        except HefuError:
            continue


def _agreed(agreement: str, statements: Iterable[Statement], key: KeyOf) -> Statement:
    """The agreement with the signatures of all its parties, on its own or inside of a message that carries it."""
    for statement in statements:
        try:
            found = carried(statement) if statement.type in _CARRIERS else statement
            if found.type == AGREEMENT and found.body.get("agreement") == agreement and _is_signed(found, key):
                return found
        except HefuError:
            continue
    raise NotFound("resource.not_found", what="agreement", name=agreement[:64])


def _is_signed(statement: Statement, key: KeyOf) -> bool:
    keys = {each.key: found for each in statement.signatures if (found := key(each.key)) is not None}
    try:
        statement.verify(keys, *parties(statement))
    except HefuError:
        return False
    return True


def _expected(view: View, statement: Statement, agreed: Statement) -> bool:
    roles = {str(each.get("participant")): each.get("role") for each in _rows(agreed.body.get("parties"))}
    role = roles.get(view.holder)
    if role is None or statement.issuer == view.holder:  # 2
        return True
    if statement.type.startswith("negotiation.") or statement.type.partition(".")[0] == AGREEMENT:
        return True
    if statement.type in (SEALED, FAILED):
        return role == "consumer"
    sole = [*roles.values()].count("provider") == 1
    return statement.type == delivery.DELETED and role == "provider" and sole


def _rows(value: object) -> list[Object]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _contradictions(known: dict[str, Statement], shown: dict[str, dict[str, Held]]) -> Iterator[Difference]:
    places: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for digest, statement in known.items():
        places[statement.id,].append(digest)
        link = statement.body.get("journal")
        if isinstance(link, dict):
            places[statement.issuer, link.get("connector"), link.get("sequence")].append(digest)
    for digests in places.values():
        for digest in digests[1:]:
            yield _difference(CONTRADICTS, known[digest], [*shown[digests[0]]], shown[digest])


def _difference(kind: str, statement: Statement, against: Iterable[str], shown: dict[str, Held]) -> Difference:
    return Difference(
        kind, statement.digest(), statement.type, statement.issuer, write_time(statement.time),
        tuple(against), tuple(shown.items()),
    )  # fmt: skip
