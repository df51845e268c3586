"""What happened in a space, event by event, as it was seen from outside the rooms: kept in order, written as lines.

A simulation and a run of real processes write the same events, so that one checker reads both. An event holds names,
numbers and digests, never a value of anybody's data.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hefu import canonical
from hefu.envelope import Statement
from hefu.statements.receipt import FAILED, REFUSED, SEALED

Amounts = tuple[int, int, int, int]  # nano-epsilon, femto-delta, releases, nano-rho
NONE: Amounts = (0, 0, 0, 0)
_DIGEST = re.compile(r"(?:sha256:)?[0-9a-f]{64}")
_STATES = {SEALED: "released", REFUSED: "refused", FAILED: "failed"}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        at: seconds since the beginning.
        node: where it was seen.
        kind: ``asked``, ``told``, ``part``, ``given_up`` at a consumer; ``balance``, ``sealed``, ``served``, ``knows``
            at a provider; ``contract``, ``view`` at anybody; ``entry`` at the log; ``defect``; ``settled`` once
            everything had time to come right; any other is for the reader only.
    """

    at: float
    node: str
    kind: str
    facts: Mapping[str, Any]

    def line(self) -> str:
        """The event as one line."""
        return f"{self.at:9.3f} {self.node or '-':10} {self.kind:10} {json.dumps(self.facts, sort_keys=True)}"


@dataclass
class History:
    """The events of one run, in order."""

    clock: Callable[[], float]
    events: list[Event] = field(default_factory=list)

    def note(self, node: str, kind: str, **facts: Any) -> None:
        """Something happened now."""
        self.events.append(Event(self.clock(), node, kind, facts))

    def lines(self) -> list[str]:
        """All events, each digest by the number of its first appearance.

        Sealed bytes are random by nature, and so is every digest over them; by its number it is the same in each
        replay.
        """
        seen: dict[str, str] = {}

        def number(found: re.Match[str]) -> str:
            return seen.setdefault(found[0], f"#{len(seen)}")

        return [_DIGEST.sub(number, each.line()) for each in self.events]

    def digest(self) -> str:
        """Of the lines: two runs with the same are the same history."""
        return hashlib.sha256("\n".join(self.lines()).encode()).hexdigest()[:16]


def sealed(envelope: bytes) -> dict[str, Any]:
    """The facts of a journal entry, for an event of kind ``sealed``."""
    statement = Statement.parse(envelope)
    body: Mapping[str, Any] = statement.body
    named = [each["agreement"] if isinstance(each, dict) else each for each in body["agreements"]]
    charge = body.get("charge", {"epsilon_nano": 0, "delta_femto": 0, "releases": 0})
    resource = body.get("resource", "")
    accounts = [f"agreement/{each}" for each in named] + ([f"asset/{resource}"] if resource else [])
    return {
        "computation": body["computation"],
        "request": body["request"],
        "consumer": body["consumer"],
        "state": _STATES[statement.type],
        "code": body.get("code", ""),
        "receipt": canonical.digest(envelope),
        "charge": [charge["epsilon_nano"], charge["delta_femto"], charge["releases"], charge.get("rho_nano", 0)],
        "accounts": accounts,
        "sequence": body["journal"]["sequence"],
        "previous": body["journal"]["previous"],
        "connector": body["journal"]["connector"],
    }


def read(lines: Iterable[str]) -> list[Event]:
    """Events as `Event.line` wrote them."""
    found = []
    for line in lines:
        at, node, kind, facts = line.split(None, 3)
        found.append(Event(float(at), "" if node == "-" else node, kind, json.loads(facts)))
    return found
