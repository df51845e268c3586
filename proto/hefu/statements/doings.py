"""What runs and who runs it: software, policy tables and settings at each change, and what administrators did. Pure.

Both are statements of the participant whose broker or connector it is: `software.running` at a start where something is
another than it was, and `administered` for each act. No data value stands in them, and no name of a person.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from hefu import canonical
from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.members import digest, exactly, mapping, reading, text
from hefu.statements.receipt import Link

RUNNING, ADMINISTERED = "software.running", "administered"
# What an administrator can do; a word that is not here is not taken.
ACTIONS = (
    "invited", "enrolment.rejected", "backup.confirmed", "source.changed", "limits.changed", "acceptance.changed",
    "openings.erased",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Running:
    """The body of `software.running`.

    Attributes:
        component: ``broker`` or ``connector``.
        version: of the distribution.
        packages: digest of the source text of each package of ours, by name.
        libraries: digest of the names and versions of all that is installed.
        tables: digests of what policies mean here, by name: the vocabulary's contexts.
        settings: digest of the settings; nothing secret is among them.
        journal: its place in a connector's journal; absent at a broker.
    """

    component: str
    version: str
    packages: Mapping[str, str]
    libraries: str
    tables: Mapping[str, str]
    settings: str
    journal: Link | None = None

    def linked(self, journal: Link) -> Running:
        """The same at its place in the journal."""
        return replace(self, journal=journal)

    def body(self) -> Object:
        """The body of the statement."""
        return {
            "component": self.component,
            "version": self.version,
            "packages": dict(self.packages),
            "libraries": self.libraries,
            "tables": dict(self.tables),
            "settings": self.settings,
            **_place(self.journal),
        }

    @classmethod
    def of(cls, statement: Statement) -> Running:
        """Read a `software.running` statement. Raises Malformed."""
        body = statement.expect(RUNNING).body
        with reading(RUNNING):
            exactly(body, *({*cls.__slots__} - ({"journal"} - body.keys())))
            return cls(
                text(body["component"]),
                text(body["version"]),
                {name: digest(each) for name, each in mapping(body["packages"]).items()},
                digest(body["libraries"]),
                {name: digest(each) for name, each in mapping(body["tables"]).items()},
                digest(body["settings"]),
                Link.of(body["journal"]) if "journal" in body else None,
            )


@dataclass(frozen=True, slots=True)
class Administered:
    """The body of `administered`.

    Attributes:
        action: one of `ACTIONS`.
        subject: an id of this space that it is about, such as a participant's or a product's; perhaps empty.
        digest: of what was changed to, or ``sha256:`` of nothing.
        journal: as of `Running`.
    """

    action: str
    subject: str = ""
    digest: str = field(default=canonical.digest(b""))
    journal: Link | None = None

    def __post_init__(self) -> None:
        if self.action not in ACTIONS or len(self.subject) > 128:
            raise ValueError(self.action)

    def linked(self, journal: Link) -> Administered:
        """The same at its place in the journal."""
        return replace(self, journal=journal)

    def body(self) -> Object:
        """The body of the statement."""
        return {"action": self.action, "subject": self.subject, "digest": self.digest, **_place(self.journal)}

    @classmethod
    def of(cls, statement: Statement) -> Administered:
        """Read an `administered` statement. Raises Malformed."""
        body = statement.expect(ADMINISTERED).body
        with reading(ADMINISTERED):
            exactly(body, *({*cls.__slots__} - ({"journal"} - body.keys())))
            place = Link.of(body["journal"]) if "journal" in body else None
            return cls(text(body["action"]), text(body["subject"]), digest(body["digest"]), place)


def running(component: str, packages: tuple[str, ...], tables: Mapping[str, str], settings: Object) -> Running:
    """What runs here now.

    Args:
        packages: of ours, whose source text is hashed.
        settings: as they are; hashed, never told.
    """
    # By the names of their folders, which say name and version: reading each takes seconds.
    installed = sorted({each.name for folder in sys.path for each in Path(folder or ".").glob("*.dist-info")})
    return Running(
        component,
        metadata.version("hefu"),
        {name: _source(name) for name in packages},
        canonical.digest("\n".join(installed).encode()),
        dict(tables),
        canonical.digest(json.dumps(settings, sort_keys=True).encode()),  # a path may be no text of the profile
    )


def _source(package: str) -> str:
    """A digest over the Python files of a package, by their names and texts."""
    spec = find_spec(package)
    hashed = hashlib.sha256()
    for folder in sorted(spec.submodule_search_locations or [] if spec else []):
        for path in sorted(Path(folder).rglob("*.py")):
            text_ = path.read_bytes()
            hashed.update(f"{path.relative_to(folder).as_posix()}\n{len(text_)}\n".encode() + text_)
    return f"sha256:{hashed.hexdigest()}"


def _place(journal: Link | None) -> Object:
    return {"journal": journal.body()} if journal is not None else {}
