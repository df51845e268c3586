"""The charter of a space: which roles there are, which policy templates offers may use, who regulates.

It is a `space.chartered` statement under the offline root, in numbered versions; everybody verifies it and acts by it,
the broker and each connector alike. A space without one allows whatever the software does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import Malformed
from hefu.identity import ROLES, check_name
from hefu.members import among, many, mapping, reading, text, whole
from hefu.statements.filing import FilingKey
from hefu.tlog.policy import NOBODY, WitnessPolicy

CHARTERED = "space.chartered"
OPERATOR, REGULATOR = "operator", "regulator"
LONGEST_POLICY = 64 << 10  # characters: 20 witnesses with keys of ML-DSA-44, and their places
_OPTIONAL = ("witnesses", "filing")


@dataclass(frozen=True, slots=True)
class Charter:
    """What the root says of its space.

    Attributes:
        version: counts from 1; only the newest counts.
        names: what the space is called, by language.
        roles: that members may have; the operator's is not among them and always there.
        templates: names of the policy templates that offers may use; None where any policy is allowed.
        regulators: the only participants whose role of regulator counts.
        witnesses: the witness policy, as its text (`hefu.tlog.policy`): which cosignatures make a checkpoint count.
            Empty where the log's own signature is enough; the member is absent then.
        filing: the keys of regulators to whom every contract's filing key is wrapped (`hefu.statements.filing`), by
            participant; left out where there is none, as before there was filing.
    """

    version: int
    names: Mapping[str, str] = field(default_factory=dict)
    roles: frozenset[str] = frozenset(ROLES) - {OPERATOR}
    templates: tuple[str, ...] | None = None
    regulators: tuple[str, ...] = ()
    witnesses: str = ""
    filing: Mapping[str, FilingKey] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.witnesses) > LONGEST_POLICY:
            raise Malformed("log.malformed", what="witness policy", why="it is too long for a charter")
        if self.witnesses:
            WitnessPolicy.parse(self.witnesses)
        for each in self.regulators:
            check_name(each, "A regulator in the charter")
        known = frozenset(ROLES) - {OPERATOR}
        if self.version < 1 or not self.roles or self.roles - known:
            raise Malformed("request.malformed", why=f"a charter's roles are some of {', '.join(sorted(known))}")
        if {*self.filing} - {*self.regulators} or len({each.value for each in self.filing.values()}) < len(self.filing):
            raise Malformed("request.malformed", why="filing names regulators of the charter, each with its own key")

    def honours(self, participant: str, roles: frozenset[str]) -> frozenset[str]:
        """Those of a participant's certified roles that count in this space."""
        counted = self.roles | {OPERATOR}
        return roles & (counted if participant in self.regulators else counted - {REGULATOR})

    @property
    def policy(self) -> WitnessPolicy | None:
        """The witness policy that was read; None where there is none, or where it asks for nobody."""
        found = _parsed(self.witnesses) if self.witnesses else None
        return None if found is None or found.quorum == NOBODY else found

    def body(self) -> Object:
        """The body of the `space.chartered` statement."""
        witnesses: Object = {"witnesses": self.witnesses} if self.witnesses else {}
        return {
            "version": self.version,
            "names": dict(self.names),
            "roles": [*sorted(self.roles)],
            "templates": None if self.templates is None else [*self.templates],
            "regulators": [*self.regulators],
            **witnesses,
            **({"filing": {name: key.body() for name, key in self.filing.items()}} if self.filing else {}),
        }

    @classmethod
    def of(cls, statement: Statement) -> Charter:
        """Read a `space.chartered` statement; its signature is the caller's to verify.

        Raises:
            Malformed: a member is missing or of a wrong form.
        """
        body = statement.expect(CHARTERED).body
        with reading(CHARTERED):
            among(body, _OPTIONAL, "version", "names", "roles", "templates", "regulators")
            return cls(
                version=whole(body["version"]),
                names={language: text(name) for language, name in mapping(body["names"]).items()},
                roles=frozenset(many(body["roles"], text)),
                templates=None if body["templates"] is None else many(body["templates"], text),
                regulators=many(body["regulators"], text),
                witnesses=_witnesses(body),
                filing=_filing(body),
            )


@lru_cache(maxsize=16)
def _parsed(text: str) -> WitnessPolicy:
    """The same text again and again: it is asked for with every checkpoint."""
    return WitnessPolicy.parse(text)


def _witnesses(body: Object) -> str:
    if "witnesses" not in body:
        return ""
    found = text(body["witnesses"], LONGEST_POLICY)
    if not found:  # absent has one spelling
        raise ValueError
    return found


def _filing(body: Object) -> dict[str, FilingKey]:
    found = {name: FilingKey.of(each) for name, each in mapping(body.get("filing", {})).items()}
    if not found and "filing" in body:
        raise ValueError
    return found
