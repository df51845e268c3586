"""An invitation: one file that is enough to join a space on another machine.

It holds the pinned facts of the space and a one-time token, so it is as secret as the token until it is used, and must
come over a channel that both sides trust: whoever alters it decides which space is joined.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hefu import identity
from hefu.errors import HefuError, Malformed, Untrusted
from hefu.keeping.keys import write_private
from hefu.members import exactly, many, mapping, text
from hefu.space import API_VERSION, SpaceFile
from hefu.times import read_time, write_time

KIND = "Invitation"
LARGEST = 64 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the operator hands to a new participant.

    Attributes:
        space: the facts to pin.
        token: opens the enrolment once, for this participant and these roles only.
        names: the participant's for people, by language.
        expires: after which the token is refused.
    """

    space: SpaceFile
    token: str
    participant: str
    names: Mapping[str, str]
    roles: frozenset[str]
    expires: datetime

    def write(self, path: Path) -> None:
        """Write it readable by its owner only.

        Raises:
            Malformed: the file exists already.
        """
        document = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "participant": self.participant,
            "names": dict(self.names),
            "roles": sorted(self.roles),
            "token": self.token,
            "expires": write_time(self.expires),
            "space": self.space.document(),
        }
        write_private(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())

    @classmethod
    def read(cls, path: Path) -> Invitation:
        """Read an invitation.

        Raises:
            Malformed: it is absent, or not an invitation.
            Untrusted: others can read it, and so could have used its token.
        """
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise Untrusted("invitation.loose_file", path=str(path))
            with path.open("rb") as file:
                document = json.loads(file.read(LARGEST))
        except OSError as fault:
            raise Malformed("invitation.unreadable", path=str(path), why=fault.strerror or "no such file") from None
        except ValueError:
            raise Malformed("invitation.unreadable", path=str(path), why="not JSON") from None
        try:
            return cls._of(document, str(path))
        except HefuError as fault:
            raise Malformed("invitation.unreadable", path=str(path), why=fault.public()) from None
        except (ValueError, TypeError, KeyError):
            raise Malformed("invitation.unreadable", path=str(path), why="a member is missing or malformed") from None

    @classmethod
    def _of(cls, document: object, where: str) -> Invitation:
        body = exactly(document, "apiVersion", "kind", "participant", "names", "roles", "token", "expires", "space")  # type: ignore[arg-type]  # checked there
        if (body["apiVersion"], body["kind"]) != (API_VERSION, KIND):
            raise ValueError
        return cls(
            space=SpaceFile.of(body["space"], where),
            token=text(body["token"]),
            participant=identity.check_name(text(body["participant"])),
            names={language: text(name) for language, name in mapping(body["names"]).items()},
            roles=frozenset(many(body["roles"], text)),
            expires=read_time(text(body["expires"])),
        )
