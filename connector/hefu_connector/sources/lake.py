"""Tables of a lake as sources: Delta and Iceberg, read by their own libraries in a process of their own.

What is read is one version of the table: the newest when it is opened, or the one that the source names. Later writes
change nothing of it; a version whose files were removed meanwhile cannot be read. Only the columns that are used are
read, and the same columns of the same version have the same rows in the same order.
LIMIT: a table in a folder, in a catalog and behind another engine cannot be told to be one and the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from hefu.canonical import Object
from hefu.errors import Unavailable

from hefu_connector.ports import Table
from hefu_connector.sources import spool
from hefu_connector.workers import frames

FORMS = ("delta", "iceberg")
CATALOG = "iceberg"  # scheme of the URI of a table in a catalog
PROGRAM = (sys.executable, "-I", "-m", "hefu_connector.sources.lake_reading")
_LIBRARIES = {"delta": "deltalake", "iceberg": "pyiceberg"}
_SECONDS = 600.0
_ENVIRONMENT = {"LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2"}
# What says where a catalog is and how it is entered; only a process that reads from one gets it.
_CATALOGS = ("PYICEBERG_", "AWS_", "GOOGLE_", "AZURE_")
_OF_CATALOGS = ("HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "NO_PROXY")


@dataclass(frozen=True, slots=True)
class LakeSource:
    """One Delta or Iceberg table. An adapter of `hefu_connector.ports.Source`.

    Attributes:
        place: its folder; of a catalog's table the catalog's name, ``/`` and the table's.
        form: one of `FORMS`.
        spool: folder of snapshots; None keeps them in memory.
        named: schema name to the table's column name, where they differ.
        version: to be read, as the table's own log numbers it; empty for the newest.
        metadata: of an Iceberg table in a folder, the file that describes it; empty where the folder tells.
        catalog: whether it is found in a catalog.
    """

    place: str
    form: str
    spool: Path | None = None
    named: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    metadata: str = ""
    catalog: bool = False

    @contextmanager
    def open(self, columns: Sequence[str], asked: Object | None = None) -> Iterator[Table]:
        """One version of some columns, and of no others. See `Source.open`; Unavailable also without the library."""
        del asked
        with spool.place(self.spool) as path:
            with open(spool.create(path), "wb") as file:

                def take(piece: bytes) -> None:
                    spool.check_room(path, len(piece))
                    file.write(piece)

                self._ask(columns, take)
            digest, size = spool.measure(path)
            yield Table(path, "parquet", digest, size)

    def names(self) -> list[str]:
        """The columns there are, by their schema names.

        Raises:
            Unavailable: no such table, or no such version of it.
        """
        theirs = {there: here for here, there in self.named.items()}
        found = self._ask(None, None).get("names")
        if not isinstance(found, list):
            raise Unavailable("source.moved", detail="the reader of lakes said something else")
        return [theirs.get(str(each), str(each)) for each in found]

    def _ask(self, columns: Sequence[str] | None, take: Callable[[bytes], None] | None) -> Object:
        request: Object = {
            "form": self.form,
            "place": self.place,
            "version": self.version,
            "metadata": "catalog" if self.catalog else self.metadata,
            "columns": None if columns is None else [self.named.get(each, each) for each in columns],
            "named": [] if columns is None else [*columns],
        }
        process = self._start()
        timer = threading.Timer(_SECONDS, process.kill)
        timer.daemon = True
        timer.start()
        try:
            return _exchange(process, request, take)
        except frames.Closed:  # whatever it was: texts of libraries may hold data
            raise Unavailable("source.moved", detail="the reader of lakes ended without an answer") from None
        except OSError as fault:
            raise Unavailable("spool.full", detail=type(fault).__name__) from None
        finally:
            timer.cancel()
            process.kill()
            process.wait()
            for end in (process.stdin, process.stdout):
                if end is not None:
                    end.close()

    def _start(self) -> subprocess.Popen[bytes]:
        if find_spec(_LIBRARIES[self.form]) is None:
            raise Unavailable("source.extra", form=self.form, extra="lake")
        folders = [] if self.catalog else [self.place]
        try:
            return subprocess.Popen(
                [*PROGRAM, str(os.getpid()), *folders],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_ENVIRONMENT | (_of_catalogs() if self.catalog else {}),
                cwd="/",
                start_new_session=True,
            )
        except OSError as fault:
            raise Unavailable("source.moved", detail=type(fault).__name__) from None


def find_form(path: Path) -> str:
    """What a folder holds, by the log that lies in it; empty where there is none."""
    if (path / "_delta_log").is_dir():
        return "delta"
    return "iceberg" if (path / "metadata").is_dir() or path.name.endswith(".metadata.json") else ""


def _exchange(process: subprocess.Popen[bytes], request: Object, take: Callable[[bytes], None] | None) -> Object:
    if process.stdin is None or process.stdout is None:
        raise AssertionError("pipes were asked for")
    frames.send(process.stdin.fileno(), request)
    if take is not None:
        for piece in frames.pieces(process.stdout.fileno()):
            take(piece)
    return frames.receive(process.stdout.fileno())


def _of_catalogs() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_CATALOGS) or name in _OF_CATALOGS}
