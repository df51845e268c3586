"""Who takes part in one run over several connectors, and what all of them agree on before any begins.

The same words stand in every party's signed request. Their digest names the run: what a party signs for one run is
worth nothing in another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import NotFound
from hefu_policies.reading import Place, unique, wrong

LEAST_PARTIES = 3  # of two, each learns the other's part from the total
MOST_PARTIES = 100
_ID = re.compile(r"ses-[a-z2-7]{26}\Z")
_MEMBERS = ("id", "parties", "aggregator", "honest", "key", "suite", "parameters", "consumer")


@dataclass(frozen=True, slots=True, order=True)
class Party:
    """One provider of a run.

    Attributes:
        agreement: under which it takes part, and `computation`: its own part of the run.
    """

    participant: str
    agreement: str
    computation: str

    def body(self) -> Object:
        """As JSON."""
        return {"participant": self.participant, "agreement": self.agreement, "computation": self.computation}

    @classmethod
    def of(cls, place: Place) -> Party:
        """Read what `body` wrote; raises Malformed."""
        found = place.members(("participant", "agreement", "computation"))
        return cls(found["participant"].text(64), found["agreement"].text(64), found["computation"].text(64))


@dataclass(frozen=True, slots=True)
class Session:
    """A run, as its consumer proposes it and every party reads it anew.

    Attributes:
        id: drawn by the consumer.
        parties: by participant; each participant, an organisation that the root certified, takes part once.
        aggregator: the party that adds up; the others' results are sealed for it, its own for the consumer.
        honest: of how many parties the noise alone is enough.
        key: ``sha256:`` of the consumer's public key of this run.
        suite, parameters: of the encryption: its name, and the digest of what the name stands for.
        consumer: who gets the total.
    """

    id: str
    parties: tuple[Party, ...]
    aggregator: str
    honest: int
    key: str
    suite: str
    parameters: str
    consumer: str

    def __post_init__(self) -> None:
        if not _ID.match(self.id):
            wrong("session.id", "an id of the form ses- and 26 letters and digits")
        if not LEAST_PARTIES <= len(self.parties) <= MOST_PARTIES:
            wrong("session.parties", f"{LEAST_PARTIES} to {MOST_PARTIES} parties")
        if [*self.parties] != sorted(self.parties):
            wrong("session.parties", "parties in the order of their participants")
        unique(self.names, "session.parties")
        unique((each.computation for each in self.parties), "session.parties")
        if self.aggregator not in self.names or self.consumer in self.names:
            wrong("session.aggregator", "one of the parties, and the consumer none of them")
        Place(self.honest, "session.honest").integer(1, len(self.parties))

    @property
    def names(self) -> tuple[str, ...]:
        """The participants."""
        return tuple(each.participant for each in self.parties)

    def party(self, participant: str) -> Party:
        """The part of a participant; raises NotFound where it has none."""
        for each in self.parties:
            if each.participant == participant:
                return each
        raise NotFound("resource.not_found", what="party", name=participant[:64])

    def others(self, participant: str) -> tuple[Party, ...]:
        """All parties but one."""
        return tuple(each for each in self.parties if each.participant != participant)

    def reader(self, participant: str) -> str:
        """For whom a party's result is sealed."""
        return self.consumer if participant == self.aggregator else self.aggregator

    def body(self) -> Object:
        """As it stands in the plan of every party."""
        parties: list[Json] = [each.body() for each in self.parties]
        return {
            "id": self.id,
            "parties": parties,
            "aggregator": self.aggregator,
            "honest": self.honest,
            "key": self.key,
            "suite": self.suite,
            "parameters": self.parameters,
            "consumer": self.consumer,
        }

    def digest(self) -> str:
        """Names the run."""
        return canonical.digest(canonical.encode(self.body()))

    @classmethod
    def of(cls, place: Place) -> Session:
        """Read what `body` wrote.

        Raises:
            Malformed: a member is missing, unknown or of a wrong form.
        """
        found = place.members(_MEMBERS)
        return cls(
            found["id"].text(64),
            tuple(Party.of(each) for each in found["parties"].items(LEAST_PARTIES)),
            found["aggregator"].text(64),
            found["honest"].integer(1),
            found["key"].digest(),
            found["suite"].text(40),
            found["parameters"].digest(),
            found["consumer"].text(64),
        )
