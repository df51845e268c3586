"""The operator and the holder of the root: what ``hefu broker init``, ``token``, ``certify`` do, without their start.

Loading the broker's database layer takes a second a command; a space of five participants needs fifteen of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from hefu.times import SystemClock

if TYPE_CHECKING:
    from hefu_broker.membership.standing import Standings
    from hefu_broker.rooms import Rooms

_TOKEN_LIFE = timedelta(hours=1)


class Operator:
    """Works on a broker's folder while the broker runs, as its commands do. Safe to use from many threads.

    Args:
        root: the offline root's folder.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder = folder
        self._root = root
        self._lock = threading.Lock()
        self._opened: Rooms | None = None

    def found(
        self, space: str, address: str, enrolment: str, *, relay: str = "", test: bool = False, web: str = ""
    ) -> None:
        """Make the root and the broker. Raises Malformed where there is one already.

        Args:
            test: whether faults and a clock may be armed in it later.
            web: ``host:port`` on loopback of the pages for browsers, without TLS; empty for none.
        """
        from hefu_broker.founding import Plan, found

        secret = f"file:{self._folder.parent / 'secrets' / self._folder.name}"
        plan = Plan(
            self._folder, self._root, space, address, enrolment, f"hefu.example/{space}", relay=relay, secret=secret,
            web=web, web_plain=bool(web),
        )  # fmt: skip
        settings, _ = found(plan, SystemClock())
        if test:
            replace(settings, test=True).write(self._folder)

    def invite(self, name: str, roles: frozenset[str]) -> str:
        """A one-time token. Raises Conflict where the name is taken."""
        with self._lock:
            return self._rooms().enrolments.invite(name, roles, _TOKEN_LIFE)

    def certify(self, name: str) -> None:
        """Sign a participant's request with the root, as its holder does offline. Raises HefuError."""
        from hefu_broker.founding import read_root, sign_as_root

        with self._lock:
            rooms = self._rooms()
            enrolment = next(each.id for each in rooms.enrolments.pending() if each.participant == name)
            signed = sign_as_root(rooms.enrolments.draft(enrolment), read_root(self._root), rooms.clock)
            rooms.enrolments.certify(enrolment, signed.to_bytes())

    def charter(self, regulators: tuple[str, ...], witnesses: str) -> None:
        """Set a charter with a witness policy, signed with the root as its holder does offline. Raises HefuError."""
        from hefu_broker.founding import read_root, sign_as_root

        with self._lock:
            rooms = self._rooms()
            drafted = rooms.charters.draft({}, frozenset(), None, regulators, witnesses)
            rooms.charters.adopt(sign_as_root(drafted, read_root(self._root), rooms.clock).to_bytes())

    def standing(self, change: Callable[[Standings], object]) -> None:
        """Suspend, revoke or reinstate: ``change`` is called with the broker's standings."""
        with self._lock:
            change(self._rooms().standings)

    def close(self) -> None:
        """Close the folder."""
        with self._lock:
            if self._opened is not None:
                self._opened.database.close()
                self._opened = None

    def _rooms(self) -> Rooms:
        from hefu_broker.bootstrap import open_rooms

        if self._opened is None:
            self._opened = open_rooms(self._folder)
        self._opened.registry.reload()
        return self._opened
