"""The charter of a space at the broker: drafted here, signed by the offline root, kept in versions, and logged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from hefu import identity
from hefu.envelope import PublicKey, Statement, draft
from hefu.errors import Conflict, Malformed, NotFound
from hefu.membership.charter import CHARTERED, Charter
from hefu.membership.directory import Directory
from hefu.statements.filing import FilingKey
from hefu.times import Clock
from hefu_policies.library import TEMPLATES

from hefu_broker.ports import CharterStore
from hefu_broker.records import EVERYBODY, Outgoing


class Charters:
    """The charter of one space.

    Args:
        root: the pinned root key.
        changed: called after a charter was kept.
    """

    def __init__(
        self, directory: Directory, root: PublicKey, store: CharterStore, clock: Clock, changed: Callable[[], None]
    ) -> None:
        self._directory = directory
        self._root = root
        self._store = store
        self._clock = clock
        self._changed = changed

    def newest(self) -> Statement:
        """The newest charter. Raises NotFound where the space has none."""
        data = self._store.newest()
        if data is None:
            raise NotFound("resource.not_found", what="charter", name=self._directory.space)
        return Statement.parse(data)

    def draft(
        self,
        names: Mapping[str, str],
        roles: frozenset[str],
        templates: tuple[str, ...] | None,
        regulators: tuple[str, ...],
        witnesses: str | None = None,
        filing: Mapping[str, FilingKey] | None = None,
    ) -> Statement:
        """The next version, to be signed by the root's holder.

        Args:
            roles: empty for all.
            templates: None for any policy.
            witnesses: text of the witness policy; None keeps that of the charter in force, so that nobody drops it
                unawares. Whoever wants none says ``quorum none``.
            filing: the regulators' filing keys, by participant; None keeps those of the regulators that stay.

        Raises:
            Malformed: a name, a role, a template or a word of the witness policy is not known, or a filing key serves
                something else already.
        """
        for each in {*(templates or ())} - {*TEMPLATES}:
            raise Malformed("template.unknown", name=each[:60], known=", ".join(TEMPLATES))
        held = self._held()
        policy = witnesses if witnesses is not None else held.witnesses if held else ""
        keys = filing if filing is not None else held.filing if held else {}
        keys = {name: key for name, key in keys.items() if filing is not None or name in regulators}
        self._check_own(keys)
        made = Charter(self._next(), dict(names), templates=templates, regulators=regulators, witnesses=policy)
        made = replace(made, filing=keys)
        made = replace(made, roles=roles) if roles else made
        space, now = self._directory.space, self._clock.now()
        return draft(CHARTERED, made.body(), space=space, issuer=identity.ROOT, at=now)

    def adopt(self, data: bytes) -> Charter:
        """Keep, log and serve a charter that the root signed; it acts at once. Repeating it changes nothing.

        Raises:
            Untrusted: not the root's, or of another space.
            Conflict: it is not the next version.
        """
        held, statement = self._store.newest(), Statement.parse(data)
        # Not in the directory that is in use: nothing may act before it is kept.
        charter = Directory(self._directory.space, self._root).adopt(statement)
        if data == held:
            return charter
        if charter.version != self._next():
            raise Conflict("charter.version", version=self._next())
        self._store.keep(charter.version, Outgoing.of(statement, EVERYBODY))
        self._changed()
        return charter

    def _held(self) -> Charter | None:
        held = self._store.newest()
        return Charter.of(Statement.parse(held)) if held else None

    def _check_own(self, filing: Mapping[str, FilingKey]) -> None:
        members = self._directory.participants()
        used = {one for each in members for one in (each.sealing, *(key.value for key in each.signing))}
        for name, key in filing.items():
            if key.value in used:
                raise Malformed("request.malformed", why=f"the filing key of {name} serves another purpose already")

    def _next(self) -> int:
        held = self._store.newest()
        return Charter.of(Statement.parse(held)).version + 1 if held else 1
