"""The charter of a space: which roles there are, which policy templates offers may use, who regulates.

It is a `space.chartered` statement under the offline root, in numbered versions; everybody verifies it and acts by it,
the broker and each connector alike. A space without one allows whatever the software does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.errors import Malformed
from hefu.identity import ROLES, check_name
from hefu.members import exactly, many, mapping, reading, text, whole

CHARTERED = "space.chartered"
OPERATOR, REGULATOR = "operator", "regulator"


@dataclass(frozen=True, slots=True)
class Charter:
    """What the root says of its space.

    Attributes:
        version: counts from 1; only the newest counts.
        names: what the space is called, by language.
        roles: that members may have; the operator's is not among them and always there.
        templates: names of the policy templates that offers may use; None where any policy is allowed.
        regulators: the only participants whose role of regulator counts.
    """

    version: int
    names: Mapping[str, str] = field(default_factory=dict)
    roles: frozenset[str] = frozenset(ROLES) - {OPERATOR}
    templates: tuple[str, ...] | None = None
    regulators: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for each in self.regulators:
            check_name(each, "A regulator in the charter")
        known = frozenset(ROLES) - {OPERATOR}
        if self.version < 1 or not self.roles or self.roles - known:
            raise Malformed("request.malformed", why=f"a charter's roles are some of {', '.join(sorted(known))}")

    def honours(self, participant: str, roles: frozenset[str]) -> frozenset[str]:
        """Those of a participant's certified roles that count in this space."""
        counted = self.roles | {OPERATOR}
        return roles & (counted if participant in self.regulators else counted - {REGULATOR})

    def body(self) -> Object:
        """The body of the `space.chartered` statement."""
        return {
            "version": self.version,
            "names": dict(self.names),
            "roles": [*sorted(self.roles)],
            "templates": None if self.templates is None else [*self.templates],
            "regulators": [*self.regulators],
        }

    @classmethod
    def of(cls, statement: Statement) -> Charter:
        """Read a `space.chartered` statement; its signature is the caller's to verify.

        Raises:
            Malformed: a member is missing or of a wrong form.
        """
        body = statement.expect(CHARTERED).body
        with reading(CHARTERED):
            exactly(body, "version", "names", "roles", "templates", "regulators")
            return cls(
                version=whole(body["version"]),
                names={language: text(name) for language, name in mapping(body["names"]).items()},
                roles=frozenset(many(body["roles"], text)),
                templates=None if body["templates"] is None else many(body["templates"], text),
                regulators=many(body["regulators"], text),
            )
