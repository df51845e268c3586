"""Whose word makes a checkpoint count: logs, witnesses, groups of them, and the quorum, as a text that people can read.

::

    log broker.example/hefu+…
    witness regulator-a regulator-a.example+… https://…
    witness grid-north grid-north.example+…
    witness bank-east bank-east.example+…
    group peers any grid-north bank-east
    group both all regulator-a peers
    quorum both

Source: C2SP tlog-policy (draft). No key and no member may stand twice, so each witness counts in one way only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from hefu.errors import HefuError, Malformed, Untrusted
from hefu.tlog import cosignature
from hefu.tlog.cosignature import Cosignature
from hefu.tlog.note import COSIGNERS, ED25519, Note, VerifierKey

MOST_LINES = 512
LARGEST = 128 << 10  # bytes
NOBODY = "none"
_NUMBER = re.compile(r"[1-9][0-9]{0,5}")


@dataclass(frozen=True, slots=True)
class Known:
    """A log or a witness: its key, and where it is reached, if that is said."""

    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Who of these counts as one: at least `least` members, each a witness or a group named before."""

    least: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class WitnessPolicy:
    """A policy that was read. Names mean something inside it only.

    Attributes:
        logs: any of which may have signed; empty where the log is known otherwise.
        witnesses, groups: by name, in the order of the text.
        quorum: the witness or group that must have witnessed; ``none`` where nobody must.
    """

    logs: tuple[Known, ...]
    witnesses: Mapping[str, Known]
    groups: Mapping[str, Group]
    quorum: str

    @classmethod
    def parse(cls, text: str) -> WitnessPolicy:
        """Read a policy.

        Raises:
            Malformed: with the number of the line that cannot stand.
        """
        if len(text.encode(errors="replace")) > LARGEST or text.count("\n") > MOST_LINES:
            _refuse(0, "it is too long")
        if any((each < " " and each not in "\t\n") or each == "\x7f" for each in text):
            _refuse(0, "control characters")
        draft = _Draft()
        for number, line in enumerate(text.split("\n"), 1):
            words = [each for each in re.split("[ \t]+", line) if each]
            if words and not words[0].startswith("#"):
                draft.read(number, words)
        if not draft.quorum:
            _refuse(0, "a line with the quorum is needed")
        return cls(tuple(draft.logs), draft.witnesses, draft.groups, draft.quorum)

    def met_by(self, names: Iterable[str]) -> bool:
        """Whether these witnesses together are the quorum."""
        return self.quorum == NOBODY or self._counts(self.quorum, frozenset(names))

    def cosigners(self, note: Note) -> dict[str, Cosignature]:
        """The witnesses whose cosignature stands on a checkpoint.

        Raises:
            Untrusted: a known witness's line does not hold: such a note is worth nothing.
        """
        signed = {name: known.key for name, known in self.witnesses.items() if note.by(known.key)}
        return {name: cosignature.verify(note, key) for name, key in signed.items()}

    def verify(self, note: Note) -> dict[str, Cosignature]:
        """The cosignatures on a checkpoint that the quorum stands behind; whose log it is, the caller has verified.

        Raises:
            Untrusted: the quorum is not there; says who is missing.
        """
        found = self.cosigners(note)
        if not self.met_by(found):
            raise Untrusted("log.quorum", quorum=self.quorum, missing=", ".join(self.missing(found)))
        return found

    def missing(self, names: Iterable[str]) -> list[str]:
        """The witnesses of the quorum that are not among these, in the order of the text."""
        there, wanted = frozenset(names), frozenset(self._below(self.quorum))
        return [each for each in self.witnesses if each in wanted and each not in there]

    def _counts(self, name: str, there: frozenset[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in there
        return sum(self._counts(each, there) for each in group.members) >= group.least

    def _below(self, name: str) -> Iterator[str]:
        group = self.groups.get(name)
        if group is None:
            yield name
            return
        for each in group.members:
            yield from self._below(each)


class _Draft:
    """What the lines read so far have said."""

    def __init__(self) -> None:
        self.logs: list[Known] = []
        self.witnesses: dict[str, Known] = {}
        self.groups: dict[str, Group] = {}
        self.quorum = ""
        self._keys: set[bytes] = set()
        self._members: set[str] = set()

    def read(self, number: int, words: list[str]) -> None:
        match words:
            case ["log", key, *url] if len(url) < 2:
                self.logs.append(self._known(number, key, url, {ED25519}))
            case ["witness", name, key, *url] if len(url) < 2:
                self._name(number, name)
                self.witnesses[name] = self._known(number, key, url, COSIGNERS)
            case ["group", name, count, *members] if members:
                self._name(number, name)
                self.groups[name] = self._group(number, count, members)
            case ["quorum", name]:
                self._quorum(number, name)
            case _:
                _refuse(number, "log, witness, group or quorum is needed, each with its words")

    def _known(self, number: int, text: str, url: list[str], kinds: Iterable[int]) -> Known:
        try:
            key = VerifierKey.parse(text)
        except HefuError:
            _refuse(number, "not a verifier key")
        if key.kind not in kinds:
            _refuse(number, "a key of another type")
        if key.value in self._keys:
            _refuse(number, "a key that stands in another line")
        self._keys.add(key.value)
        return Known(key, url[0] if url else "")

    def _group(self, number: int, count: str, members: list[str]) -> Group:
        for each in members:
            if each not in self.witnesses and each not in self.groups:
                _refuse(number, f"{each} is not named before")
            if each in self._members:
                _refuse(number, f"{each} is a member already")
            self._members.add(each)
        least = {"any": 1, "all": len(members)}.get(count)
        if least is None and not _NUMBER.fullmatch(count):
            _refuse(number, "any, all or a number of members is needed")
        least = int(count) if least is None else least
        if least > len(members):
            _refuse(number, f"{least} of {len(members)} members")
        return Group(least, tuple(members))

    def _name(self, number: int, name: str) -> None:
        if name == NOBODY or name in self.witnesses or name in self.groups:
            _refuse(number, f"{name} is named already")

    def _quorum(self, number: int, name: str) -> None:
        if self.quorum:
            _refuse(number, "a second quorum")
        if name != NOBODY and name not in self.witnesses and name not in self.groups:
            _refuse(number, f"{name} is not named before")
        self.quorum = name


def _refuse(line: int, why: str) -> NoReturn:
    where = f"line {line}: " if line else ""
    raise Malformed("log.malformed", what="witness policy", why=where + why)
