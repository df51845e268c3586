"""What was computed, on which snapshot, under which contract and clause, at what charge: the provider's signed word.

Every end of a computation is a statement in its connector's journal: `computation.sealed` (the receipt of a release),
`computation.refused` (a denial is a decision) or `computation.failed` (charged, nothing released). The journal is a
chain: each statement names its sequence number and the digest of the envelope bytes of the statement before it.

Values that may not stand in a log stand as commitments: HMAC-SHA-256 under a random salt, opened by value and salt.
INVARIANT: nothing in these bodies is derived from data except through the release gate; ``meters`` count the answer.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.envelope import Statement
from hefu.errors import Malformed, Untrusted
from hefu.members import digest, exactly, listed, many, mapping, reading, text, whole
from hefu.times import read_time, write_time

SEALED, REFUSED, FAILED = "computation.sealed", "computation.refused", "computation.failed"
SALT_SIZE = 32  # bytes
_Item = TypeVar("_Item")
_COMMITMENT = re.compile(r"hmac-sha256:[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Link:
    """A statement's place in its connector's journal.

    Attributes:
        sequence: gapless from 0.
        previous: ``sha256:`` of the envelope bytes of the statement before it; empty for the first.
        connector: whose journal it is; a participant may have several connectors.
    """

    sequence: int
    previous: str
    connector: str

    def __post_init__(self) -> None:
        if self.sequence < 0 or (self.sequence == 0) != (self.previous == ""):
            raise Malformed("receipt.malformed", why="only the first journal entry has no previous one")

    def body(self) -> Object:
        """``{connector, sequence, previous}``."""
        return {"connector": self.connector, "sequence": self.sequence, "previous": self.previous}

    @classmethod
    def of(cls, value: Json) -> Link:
        """Read what `body` wrote; raises TypeError, KeyError or ValueError inside `hefu.members.reading`."""
        body = exactly(value, "connector", "sequence", "previous")
        previous = digest(body["previous"]) if body["previous"] else text(body["previous"])
        return cls(whole(body["sequence"]), previous, text(body["connector"]))


def journal_of(statement: Statement) -> Link | None:
    """The journal link of a statement, or None if it is not a journal statement.

    Raises:
        Malformed: it has a link of a wrong form.
    """
    if "journal" not in statement.body:
        return None
    with reading(statement.type):
        return Link.of(statement.body["journal"])


@dataclass(frozen=True, slots=True)
class Spent:
    """What was charged: privacy loss in integers (10^-9, 10^-15, rounded up) and a number of releases.

    A loss is counted as an ε or as a ρ (10^-9); ``rho_nano`` is left out where it is 0, as before there was one.
    """

    epsilon_nano: int
    delta_femto: int
    releases: int
    rho_nano: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.epsilon_nano + other.epsilon_nano,
            self.delta_femto + other.delta_femto,
            self.releases + other.releases,
            self.rho_nano + other.rho_nano,
        )

    def within(self, limit: Spent) -> bool:
        """Whether nothing in it is above the limit's."""
        return (
            self.epsilon_nano <= limit.epsilon_nano
            and self.delta_femto <= limit.delta_femto
            and self.releases <= limit.releases
            and self.rho_nano <= limit.rho_nano
        )

    def body(self) -> Object:
        """``{epsilon_nano, delta_femto, releases}``, and ``rho_nano`` where there is any."""
        return {
            "epsilon_nano": self.epsilon_nano,
            "delta_femto": self.delta_femto,
            "releases": self.releases,
            **_some_rho(self.rho_nano),
        }

    @classmethod
    def of(cls, value: Json) -> Spent:
        """Read what `body` wrote; raises as `Link.of`."""
        body = mapping(value)
        exactly(body, "epsilon_nano", "delta_femto", "releases", *RHO & body.keys())
        return cls(whole(body["epsilon_nano"]), whole(body["delta_femto"]), whole(body["releases"]), rho_of(body))


NOTHING = Spent(0, 0, 0)
RHO = frozenset({"rho_nano"})
_LATER = frozenset({"joined", "filed"})


def rho_of(body: Object) -> int:
    """The ρ of a body that may leave it out; one of 0 is never written.

    Raises:
        ValueError: it is written and 0.
    """
    if "rho_nano" not in body:
        return 0
    found = whole(body["rho_nano"])
    if not found:
        raise ValueError
    return found


def _some_rho(rho_nano: int) -> Object:
    return {"rho_nano": rho_nano} if rho_nano else {}


@dataclass(frozen=True, slots=True)
class Under:
    """The agreement a computation ran under (digest of its payload), its strategy, and the clause that permitted."""

    agreement: str
    digest: str
    strategy: str
    clause: str

    def body(self) -> Object:
        """``{agreement, digest, strategy, clause}``."""
        return {
            "agreement": self.agreement,
            "digest": self.digest,
            "strategy": self.strategy,
            "clause": self.clause,
        }

    @classmethod
    def of(cls, value: Json) -> Under:
        """Read what `body` wrote; raises as `Link.of`."""
        body = exactly(value, "agreement", "digest", "strategy", "clause")
        return cls(text(body["agreement"]), digest(body["digest"]), text(body["strategy"]), text(body["clause"]))


@dataclass(frozen=True, slots=True)
class Noise:
    """How one answer column was made private; ``scale`` is of the noise, in the column's unit, as decimal text."""

    column: str
    mechanism: str
    scale: str
    epsilon_nano: int
    rho_nano: int = 0

    def body(self) -> Object:
        """``{column, mechanism, scale, epsilon_nano}``, and ``rho_nano`` where there is any."""
        return {
            "column": self.column,
            "mechanism": self.mechanism,
            "scale": self.scale,
            "epsilon_nano": self.epsilon_nano,
            **_some_rho(self.rho_nano),
        }

    @classmethod
    def of(cls, value: Json) -> Noise:
        """Read what `body` wrote; raises as `Link.of`."""
        body = mapping(value)
        exactly(body, "column", "mechanism", "scale", "epsilon_nano", *RHO & body.keys())
        words = text(body["column"]), text(body["mechanism"]), text(body["scale"])
        return cls(*words, whole(body["epsilon_nano"]), rho_of(body))


@dataclass(frozen=True, slots=True)
class SealedPart:
    """One sealed part of a release: digest and number of its ciphertext bytes."""

    digest: str
    size: int

    def body(self) -> Object:
        """``{digest, bytes}``."""
        return {"digest": self.digest, "bytes": self.size}

    @classmethod
    def of(cls, value: Json) -> SealedPart:
        """Read what `body` wrote; raises as `Link.of`."""
        body = exactly(value, "digest", "bytes")
        return cls(digest(body["digest"]), whole(body["bytes"]))


@dataclass(frozen=True, slots=True)
class Released:
    """The shape of what was released: its kind, how many cells, and how many of them were suppressed."""

    kind: str
    cells: int
    suppressed: int

    def body(self) -> Object:
        """``{kind, cells, suppressed}``."""
        return {"kind": self.kind, "cells": self.cells, "suppressed": self.suppressed}

    @classmethod
    def of(cls, value: Json) -> Released:
        """Read what `body` wrote; raises as `Link.of`."""
        body = exactly(value, "kind", "cells", "suppressed")
        return cls(text(body["kind"]), whole(body["cells"]), whole(body["suppressed"]))


@dataclass(frozen=True, slots=True)
class Meters:
    """What a bill counts: calls, rows and bytes *of the answer*, and time in whole release quanta. All public."""

    calls: int
    rows: int
    bytes: int
    milliseconds: int

    def body(self) -> Object:
        """``{calls, rows, bytes, milliseconds}``."""
        return {"calls": self.calls, "rows": self.rows, "bytes": self.bytes, "milliseconds": self.milliseconds}

    @classmethod
    def of(cls, value: Json) -> Meters:
        """Read what `body` wrote; raises as `Link.of`."""
        body = exactly(value, "calls", "rows", "bytes", "milliseconds")
        return cls(whole(body["calls"]), whole(body["rows"]), whole(body["bytes"]), whole(body["milliseconds"]))


@dataclass(frozen=True, slots=True)
class Joined:
    """What a computation that joins products read under its second agreement: as the receipt says of its first."""

    agreement: str
    product: str
    description: str
    resource: str
    snapshot: str
    facts: Object = field(default_factory=dict)

    def body(self) -> Object:
        """``{agreement, product, description, resource, snapshot, facts}``."""
        return {
            "agreement": self.agreement,
            "product": self.product,
            "description": self.description,
            "resource": self.resource,
            "snapshot": self.snapshot,
            "facts": dict(self.facts),
        }

    @classmethod
    def of(cls, value: Json) -> Joined:
        """Read what `body` wrote; raises as `Link.of`."""
        body = exactly(value, *cls.__slots__)
        return cls(
            agreement=text(body["agreement"]),
            product=text(body["product"]),
            description=digest(body["description"]),
            resource=text(body["resource"]),
            snapshot=_snapshot(body["snapshot"]),
            facts=mapping(body["facts"]),
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """The body of `computation.sealed`.

    Attributes:
        request: digest of the request's payload.
        description: digest of the description version (the payload of `product.published`).
        snapshot: digest of the data that was read where the agreement pins it; else a commitment to that digest which
            only the provider can open, since a digest of rows tells whoever can guess all but one of them the last.
        facts: what the decision knew, by short name; integers and texts.
        commitments: by name, as `commit` writes them.
        admitted: when the request was admitted; the statement's own time is that of sealing.
        joined: what was read under each agreement behind the first, which then are as many; left out where none is,
            as before there were joins. The charge is that of each agreement and each asset in full.
        filed: digest of its sealed openings (`hefu.statements.openings`); left out where the agreement files nothing.
    """

    computation: str
    request: str
    consumer: str
    agreements: tuple[Under, ...]
    product: str
    description: str
    resource: str
    snapshot: str
    engine: str
    engine_version: str
    charge: Spent
    mechanisms: tuple[Noise, ...]
    output: Released
    parts: tuple[SealedPart, ...]
    meters: Meters
    admitted: datetime
    facts: Object = field(default_factory=dict)
    commitments: Mapping[str, str] = field(default_factory=dict)
    joined: tuple[Joined, ...] = ()
    journal: Link = Link(0, "", "")
    filed: str = ""

    def __post_init__(self) -> None:
        if not self.agreements:
            raise Malformed("receipt.malformed", why="a computation stands under at least one agreement")
        named = [each.agreement for each in self.agreements]
        if self.joined and (len({*named}) < len(named) or [each.agreement for each in self.joined] != named[1:]):
            raise Malformed("receipt.malformed", why="what was joined stands under the agreements behind the first")
        if not all(map(_COMMITMENT.match, self.commitments.values())):
            raise Malformed("receipt.malformed", why="a commitment is hmac-sha256: and 64 hex digits")

    def linked(self, journal: Link) -> Receipt:
        """The same receipt at its place in the journal."""
        return replace(self, journal=journal)

    def body(self) -> Object:
        """The body of the statement."""
        return {
            "computation": self.computation,
            "request": self.request,
            "consumer": self.consumer,
            "agreements": listed(each.body() for each in self.agreements),
            "product": self.product,
            "description": self.description,
            "resource": self.resource,
            "snapshot": self.snapshot,
            "engine": {"name": self.engine, "version": self.engine_version},
            "charge": self.charge.body(),
            "mechanisms": listed(each.body() for each in self.mechanisms),
            "facts": dict(self.facts),
            "output": self.output.body(),
            "parts": listed(each.body() for each in self.parts),
            "meters": self.meters.body(),
            "commitments": dict(self.commitments),
            "admitted": write_time(self.admitted),
            "journal": self.journal.body(),
            **({"joined": listed(each.body() for each in self.joined)} if self.joined else {}),
            **_some_filed(self.filed),
        }

    def under(self, agreement: str) -> Joined:
        """What was read under an agreement, and what its decision knew: of any but a joined one, the receipt's own."""
        found = (each for each in self.joined if each.agreement == agreement)
        own = Joined(agreement, self.product, self.description, self.resource, self.snapshot, self.facts)
        return next(found, own)

    @classmethod
    def of(cls, statement: Statement) -> Receipt:
        """Read a `computation.sealed` statement; its signature is the caller's to verify.

        Raises:
            Malformed: another type, or a member missing, unknown or of a wrong form.
        """
        body = statement.expect(SEALED).body
        with reading(SEALED):
            names = {*cls.__slots__} - {"engine_version"} - (_LATER - body.keys())
            engine = exactly(exactly(body, *names)["engine"], "name", "version")
            return cls(
                computation=text(body["computation"]),
                request=digest(body["request"]),
                consumer=text(body["consumer"]),
                agreements=many(body["agreements"], Under.of),
                product=text(body["product"]),
                description=digest(body["description"]),
                resource=text(body["resource"]),
                snapshot=_snapshot(body["snapshot"]),
                engine=text(engine["name"]),
                engine_version=text(engine["version"]),
                charge=Spent.of(body["charge"]),
                mechanisms=many(body["mechanisms"], Noise.of),
                output=Released.of(body["output"]),
                parts=many(body["parts"], SealedPart.of),
                meters=Meters.of(body["meters"]),
                admitted=read_time(text(body["admitted"])),
                facts=mapping(body["facts"]),
                commitments={name: text(each) for name, each in mapping(body["commitments"]).items()},
                joined=_some(many(body["joined"], Joined.of)) if "joined" in body else (),
                journal=Link.of(body["journal"]),
                filed=_filed(body),
            )


@dataclass(frozen=True, slots=True)
class Refusal:
    """The body of `computation.refused`: ``code`` and ``reasons`` name clauses and rules, nothing about the data.

    Attributes:
        agreements: ids, as the request named them.
        filed: as of `Receipt`.
    """

    computation: str
    request: str
    consumer: str
    agreements: tuple[str, ...]
    code: str
    reasons: tuple[str, ...]
    journal: Link = Link(0, "", "")
    filed: str = ""

    def linked(self, journal: Link) -> Refusal:
        """The same refusal at its place in the journal."""
        return replace(self, journal=journal)

    def body(self) -> Object:
        """The body of the statement."""
        return {
            "computation": self.computation,
            "request": self.request,
            "consumer": self.consumer,
            "agreements": listed(self.agreements),
            "code": self.code,
            "reasons": listed(self.reasons),
            "journal": self.journal.body(),
            **_some_filed(self.filed),
        }

    @classmethod
    def of(cls, statement: Statement) -> Refusal:
        """Read a `computation.refused` statement; raises as `Receipt.of`."""
        body = statement.expect(REFUSED).body
        with reading(REFUSED):
            exactly(body, *({*cls.__slots__} - (_LATER - body.keys())))
            return cls(
                computation=text(body["computation"]),
                request=digest(body["request"]),
                consumer=text(body["consumer"]),
                agreements=many(body["agreements"], text),
                code=text(body["code"]),
                reasons=many(body["reasons"], text),
                journal=Link.of(body["journal"]),
                filed=_filed(body),
            )


@dataclass(frozen=True, slots=True)
class Failure:
    """The body of `computation.failed`: what was reserved stays charged, and nothing was released.

    Attributes:
        agreements: ids, as the request named them.
        resource: the asset that stays charged; empty if the agreement has but one.
        joined: the assets that stay charged under the agreements behind the first; left out where none is.
        filed: as of `Receipt`.
    """

    computation: str
    request: str
    consumer: str
    agreements: tuple[str, ...]
    code: str
    charge: Spent
    resource: str = ""
    joined: tuple[str, ...] = ()
    journal: Link = Link(0, "", "")
    filed: str = ""

    def linked(self, journal: Link) -> Failure:
        """The same failure at its place in the journal."""
        return replace(self, journal=journal)

    def body(self) -> Object:
        """The body of the statement."""
        return {
            "computation": self.computation,
            "request": self.request,
            "consumer": self.consumer,
            "agreements": listed(self.agreements),
            "code": self.code,
            "charge": self.charge.body(),
            "resource": self.resource,
            "journal": self.journal.body(),
            **({"joined": listed(self.joined)} if self.joined else {}),
            **_some_filed(self.filed),
        }

    @classmethod
    def of(cls, statement: Statement) -> Failure:
        """Read a `computation.failed` statement; raises as `Receipt.of`."""
        body = statement.expect(FAILED).body
        with reading(FAILED):
            exactly(body, *({*cls.__slots__} - (_LATER - body.keys())))
            return cls(
                computation=text(body["computation"]),
                request=digest(body["request"]),
                consumer=text(body["consumer"]),
                agreements=many(body["agreements"], text),
                code=text(body["code"]),
                charge=Spent.of(body["charge"]),
                resource=text(body["resource"]),
                joined=_some(many(body["joined"], text)) if "joined" in body else (),
                journal=Link.of(body["journal"]),
                filed=_filed(body),
            )

    def asset(self, agreement: str) -> str:
        """The asset that stays charged under an agreement; empty where it is not named."""
        at = self.agreements.index(agreement)
        return self.joined[at - 1] if 0 < at <= len(self.joined) else self.resource


def _some(found: tuple[_Item, ...]) -> tuple[_Item, ...]:
    """What is written only where there is some. Raises ValueError where there is none."""
    if not found:
        raise ValueError
    return found


def _some_filed(filed: str) -> Object:
    return {"filed": filed} if filed else {}


def _filed(body: Object) -> str:
    return digest(body["filed"]) if "filed" in body else ""


def commit(name: str, value: Json, salt: bytes) -> str:
    """The commitment to a named value: binding, and silent about the value while the salt is secret.

    Args:
        salt: 32 random bytes, fresh for every value; destroying it erases the value from the log for good.

    Source: HMAC-SHA-256(salt, name ‖ 0x00 ‖ JCS(value)); the audit log's design, section 3.
    """
    if len(salt) != SALT_SIZE:
        raise ValueError("a salt has 32 bytes")
    message = name.encode("ascii") + b"\x00" + canonical.encode(value)
    return "hmac-sha256:" + hmac.new(salt, message, hashlib.sha256).hexdigest()


def check_opening(commitment: str, name: str, value: Json, salt: bytes) -> None:
    """Check that a value and salt are those that were committed to under a name.

    Raises:
        Untrusted: they are not.
    """
    if len(salt) != SALT_SIZE or not hmac.compare_digest(commit(name, value, salt), commitment):
        raise Untrusted("receipt.commitment", name=name)


def _snapshot(value: Json) -> str:
    return text(value) if isinstance(value, str) and _COMMITMENT.match(value) else digest(value)
