"""What this connector runs and what its people changed, told to the log: kept first, sent when the broker is there."""

from __future__ import annotations

from hefu import canonical
from hefu.canonical import Object
from hefu.statements import doings
from hefu.statements.doings import ADMINISTERED, RUNNING, Administered
from hefu_policies.odrl import contexts
from hefu_policies.words.terms import CONTEXTS

from hefu_connector.brokerage import Log
from hefu_connector.contracting.author import Author
from hefu_connector.shelves import Mark, Marks

_UNTOLD, _RUNNING = "doing/", "running"
_PACKAGES = ("hefu", "hefu_policies", "hefu_connector")
_AT_ONCE = 64


class Doings:
    """States what is done here. Safe to use from many threads.

    Args:
        settings: as they are now, without anything secret.
    """

    def __init__(self, author: Author, marks: Marks, log_: Log, settings: Object) -> None:
        self._author = author
        self._marks = marks
        self._log = log_
        self._settings = settings
        self._stated = False

    def note(self, action: str, subject: str = "", what: Object | None = None) -> None:
        """State an act of this participant's people: one of `hefu.statements.doings.ACTIONS`; of what it was changed
        to, the digest."""
        done = Administered(action, subject, canonical.digest(canonical.encode(what) if what else b""))
        self._say(ADMINISTERED, done.body())

    def started(self) -> None:
        """State what runs, if something of it is another than it was."""
        tables = {each: contexts.digest(each) for each in CONTEXTS}
        body = doings.running("connector", _PACKAGES, tables, self._settings).body()
        text, kept = canonical.digest(canonical.encode(body)), self._marks.find(_RUNNING)
        if kept is None or kept.text != text:
            self._say(RUNNING, body)
            self._marks.advance(Mark(_RUNNING, kept.number + 1 if kept else 1, text))

    def step(self) -> None:
        """State what runs, once, and send what waits; raises Unavailable."""
        if not self._stated:
            self.started()
            self._stated = True
        while waiting := self._marks.all(_UNTOLD)[:_AT_ONCE]:
            self._log.append([each.text.encode() for each in waiting])
            for each in waiting:
                self._marks.remove(each.name)

    def _say(self, type_: str, body: Object) -> None:
        made = self._author.say(type_, body)
        at = int(self._author.clock.now().timestamp() * 1_000_000)
        self._marks.advance(Mark(f"{_UNTOLD}{at:020d}/{made.digest()[7:23]}", 1, made.to_bytes().decode()))
