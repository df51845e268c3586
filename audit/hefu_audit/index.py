"""An auditor's own copy of a log, with an index for questions: one SQLite file in its directory.

The copy holds exactly the entries of the newest checkpoint that this auditor verified; whatever a crash leaves is that.
It is made anew where its version, the space or the log's keys are other than those it was made under. Not encrypted:
it is for this auditor's eyes alone, as its evidence bundles are (mode 0600).
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from hefu.envelope import Statement
from hefu.errors import NotFound
from hefu.evidence.bundle import BundleEntry
from hefu.evidence.record import Logged
from hefu.identity import write_bytes
from hefu.space import SpaceFile
from hefu.tlog import tree
from hefu.tlog.checkpoint import Checkpoint

from hefu_audit.columns import Named, seconds
from hefu_audit.schema import TABLES, VERSION

FILE = "log.sqlite"
_PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-65536"


class Index:
    """An open copy. One process writes at a time; use it from one thread.

    Attributes:
        space: the pinned facts it was made under.
    """

    def __init__(self, directory: Path, space: SpaceFile) -> None:
        self.space = space
        self.path = directory / FILE
        self._made_under = json.dumps(
            [VERSION, space.space, space.broker, space.log_key, write_bytes(space.root.value)]
        )
        self._connection = self._open()
        found = self._meta("made_under")
        if found != self._made_under:
            self.forget()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def forget(self) -> None:
        """Begin anew with an empty copy; what this auditor remembers of checkpoints stays in its directory."""
        self._connection.close()
        for end in ("", "-wal", "-shm"):
            self.path.with_name(FILE + end).unlink(missing_ok=True)
        self._connection = self._open()
        self._connection.executescript(TABLES)
        with self.writing():
            self._connection.execute("INSERT INTO meta VALUES ('made_under', ?)", (self._made_under,))

    # ------------------------------------------------------------ reading

    @property
    def size(self) -> int:
        """How many entries it holds: as many as the newest verified checkpoint."""
        found: int = self._connection.execute("SELECT COALESCE(MAX(idx) + 1, 0) FROM entry").fetchone()[0]
        return found

    @property
    def head(self) -> tuple[str, Checkpoint] | None:
        """The newest verified checkpoint, with its signed note; None before the first visit."""
        found = self.rows("SELECT size, root, note FROM head ORDER BY size DESC LIMIT 1")
        return next(((each[2], Checkpoint(self.space.log_origin, each[0], each[1])) for each in found), None)

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self._connection.execute(sql, values).fetchall()

    def one(self, sql: str, *values: object) -> Any:
        """The first column of the first row; None where there is no row."""
        found = self._connection.execute(sql, values).fetchone()
        return found[0] if found else None

    def read(self, level: int, place: int) -> bytes:
        """`hefu.tlog.tree.ReadHash` over the copy."""
        if level == 0:
            found = self.one("SELECT leaf FROM entry WHERE idx = ?", place)
        else:
            found = self.one("SELECT hash FROM node WHERE level = ? AND place = ?", level, place)
        if found is None:
            raise NotFound("log.absent")
        return bytes(found)

    def root(self, size: int) -> bytes:
        """The root of the first entries."""
        return tree.root_of(size, self.read)

    def entries(self, first: int = 0) -> Iterator[BundleEntry]:
        """All entries in order, from one on."""
        for index, leaf, envelope in self._connection.execute(
            "SELECT idx, leaf, envelope FROM entry LEFT JOIN body USING (idx) WHERE idx >= ? ORDER BY idx", (first,)
        ):
            yield BundleEntry(index, leaf, envelope)

    def envelope(self, index: int) -> bytes:
        """The bytes of an entry. Raises NotFound where this auditor has none of it."""
        found = self.one("SELECT envelope FROM body WHERE idx = ?", index)
        if found is None:
            raise NotFound("log.absent")
        return bytes(found)

    def statement(self, index: int) -> Statement:
        """The statement of an entry. Raises as `envelope`."""
        return Statement.parse(self.envelope(index))

    def logged(self, index: int) -> Logged:
        """The statement with its place. Raises as `envelope`."""
        digest = self.one("SELECT envelope_digest FROM entry WHERE idx = ?", index)
        return Logged(index, self.statement(index), str(digest))

    def known(self, ids: Iterable[str]) -> set[str]:
        """Which of these statements' ids stand in it."""
        wanted = "SELECT id FROM entry WHERE id IN (SELECT value FROM json_each(?))"
        return {each[0] for each in self.rows(wanted, json.dumps([*ids]))}

    @property
    def hidden(self) -> int:
        """How many entries this auditor may not read."""
        return int(self._meta("hidden") or 0)

    # ------------------------------------------------------------ writing

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of it, or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        whole = False
        try:
            yield
            whole = True
        finally:
            self._connection.execute("COMMIT" if whole else "ROLLBACK")

    def take(self, entries: Iterable[tuple[object, ...]], found: Iterable[Named]) -> None:
        """Add rows of ``entry`` and of other tables."""
        self._connection.executemany("INSERT INTO entry VALUES (?,?,?,?,?,?,?,?,?,?)", [*entries])
        by_table: dict[str, list[tuple[object, ...]]] = {}
        for table, values in found:
            by_table.setdefault(table, []).append(values)
        for table, many in by_table.items():
            # Names fall anywhere in their index: in its order, what stands together is written together.
            ordered = sorted(many) if table == "about" else many
            self._connection.executemany(_INSERT[table, len(many[0])], ordered)

    def keep_head(self, note: str, head: Checkpoint, at: datetime, hidden: int) -> None:
        """Note the checkpoint that the entries have been verified against."""
        values = (head.size, head.root, note, seconds(at))
        self._connection.execute("INSERT OR REPLACE INTO head VALUES (?,?,?,?)", values)
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES ('hidden', ?)", (str(hidden),))

    def _meta(self, name: str) -> str | None:
        try:
            found = self.one("SELECT value FROM meta WHERE name = ?", name)
        except sqlite3.DatabaseError:  # no such table, or no database at all
            return None
        return None if found is None else str(found)

    def _open(self) -> sqlite3.Connection:
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        try:
            return self._connected()
        except sqlite3.DatabaseError:  # not a database: it is only a copy
            self.path.unlink()
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            return self._connected()

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        for each in _PRAGMAS.split(";"):
            connection.execute(each)
        return connection


def _inserts() -> Iterator[tuple[tuple[str, int], str]]:
    columns = {"about": 3, "fault": 3, "journal": 6, "ended": 26, "charge": 12, "agreement": 17, "policy": 4, "turn": 6,
               "description": 12, "lifetime": 7, "certified": 7, "held": 3, "standing": 4, "told": 8, "duty": 7,
               "seen": 4, "node": 3, "body": 2, "late": 2, "denial": 2}  # fmt: skip
    for table, count in columns.items():
        marks = ",".join("?" * count)
        yield (table, count), f"INSERT OR IGNORE INTO {table} VALUES ({marks})"  # noqa: S608 - names of our own


_INSERT = dict(_inserts())
