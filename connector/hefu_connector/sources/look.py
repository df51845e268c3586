"""From a registered record to a source, and what a source looks like from outside: names and types, never a value.

A place has one spelling, since one place is one asset with one budget for life: links are followed, a table stands in
its database's URL. LIMIT: hard links, views and copies of the same data cannot be told apart from other data here.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from hefu.canonical import Json, Object
from hefu.envelope import new_id
from hefu.errors import Malformed, Untrusted
from hefu.messages import MESSAGES
from hefu_policies.goods.resource import TYPES, Resource

from hefu_connector.computing import served_model
from hefu_connector.computing.served_model import Told
from hefu_connector.ports import Source, Workers
from hefu_connector.shelves import IN_PLACE, SourceRecord
from hefu_connector.sources import database, lake, postgres, spark
from hefu_connector.sources.database import DatabaseSource
from hefu_connector.sources.files import FileSource
from hefu_connector.sources.lake import LakeSource
from hefu_connector.sources.postgres import PostgresJoin, PostgresSource
from hefu_connector.sources.spark import SparkJoin, SparkSource

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
_ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".json": served_model.FORM,
}
_OPTIONS = {
    "csv": {"names", "delimiter", "encoding"},
    "parquet": {"names"},
    "arrow": {"names"},
    "file": set[str](),
    served_model.FORM: set[str](),
    "delta": {"names", "version"},
    "iceberg": {"names", "version", "metadata"},
}
_VERSION = re.compile(r"(0|[1-9][0-9]{0,18})\Z")
_METADATA = re.compile(r"[A-Za-z0-9._-]{1,200}[.]metadata[.]json\Z")
_IN_CATALOG = re.compile(r"[A-Za-z0-9_-]{1,64}/[^/?#\x00]{1,255}\Z")
_OF_FILE = ("contract.", "feature.", "model.")  # codes that say what stands where in a model's file
_SECONDS = 300.0
_DEADLINE = 60.0


@dataclass(frozen=True, slots=True)
class Found:
    """One column as it was found; nothing else about it is known.

    Attributes:
        type: of `hefu_policies.goods.resource.TYPES`, by every value there is now; empty where none fits.
        nullable: whether a value is absent now.
    """

    name: str
    type: str
    nullable: bool


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a source holds, for its provider's eyes only: no value, but an exact count of rows.

    Attributes:
        rows: never to be published as it is.
        snapshot: digest of the bytes that were looked at.
        model: what may be told of a model; None of anything else.
    """

    rows: int
    columns: tuple[Found, ...]
    snapshot: str
    model: Told | None = None


class SourceLook:
    """Reads records of sources. An adapter of `hefu_connector.desk.source_book.Look`; safe to use from many threads.

    Args:
        spool: folder of snapshots, the same that the workers may read; None keeps them in memory.
        seconds: that one look may take, and
        deadline: one question of a source that is counted in place.
    """

    def __init__(
        self, workers: Workers, spool: Path | None, seconds: float = _SECONDS, deadline: float = _DEADLINE
    ) -> None:  # fmt: skip
        if spool is not None:
            spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._workers = workers
        self._spool = spool
        self._seconds = seconds
        self._deadline = deadline

    def spell(self, source: SourceRecord) -> SourceRecord:
        """The record with URI, form and options in their one spelling.

        The options are ``names`` (schema name to the source's own column name, where they differ), of a CSV
        ``delimiter`` and ``encoding``, of a database ``table`` (and ``in_place``, where it is to count by itself), of
        a lake's table ``version``, and of an Iceberg table in a folder ``metadata``, the file that describes it.

        Raises:
            Malformed: the URI or an option is none that this connector can read.
        """
        names = _names(source.options.get("names", {}))
        scheme = urlsplit(source.uri).scheme if "://" in source.uri else "file"
        if scheme != "file":
            others = {lake.CATALOG: _spell_catalog, spark.SCHEME: _spell_spark}
            return others.get(scheme, _spell_database)(source, names)
        path = _path(source.uri)
        form = source.form or _form(path)
        if form not in _OPTIONS:
            _refuse("form", "csv, parquet, arrow, delta, iceberg, model, or file for a file that is delivered whole")
        if form in lake.FORMS:
            return _spell_lake(source, path, form, names)
        _known(source.options, _OPTIONS[form])
        options: Object = {"names": dict(names)} if names else {}
        for name, check in (("delimiter", _delimiter), ("encoding", _encoding)):
            if name in source.options:
                options[name] = check(source.options[name])
        if form == "csv" and path.suffix.lower() == ".tsv":
            options.setdefault("delimiter", "\t")
        return replace(source, uri=path.as_uri(), form=form, options=options)

    def source(self, record: SourceRecord) -> FileSource | DatabaseSource | LakeSource | PostgresSource | SparkSource:
        """The source of a record that `spell` made."""
        names = _names(record.options.get("names", {}))
        if record.form in lake.FORMS:
            return _lake(record, self._spool, names)
        if record.form == spark.KIND:
            server, table = spark.server_of(record.uri, str(record.options.get("tls", "")))
            return SparkSource(server, table, self._spool, names, record.in_place, self._deadline)
        if not record.uri.startswith("file:"):
            url, _, table = record.uri.rpartition("#")
            copied = DatabaseSource(url, unquote(table), self._spool, names)
            return PostgresSource(copied, self._deadline) if record.in_place else copied
        return FileSource(_path(record.uri), record.form, self._spool, record.options)

    def joint(self, first: SourceRecord, second: SourceRecord) -> Source | None:
        """A source of two records' tables, where both lie in one place that counts a join of them; else None."""
        one, other = self.source(first), self.source(second)
        if isinstance(one, PostgresSource) and isinstance(other, PostgresSource) and one.lies_with(other):
            return PostgresJoin(one, other)
        if isinstance(one, SparkSource) and isinstance(other, SparkSource) and one.lies_with(other):
            return SparkJoin(one, other)
        return None

    def inspect(self, record: SourceRecord) -> Inspection:
        """Names, types and row count of a source, found by a worker.

        Raises:
            Unavailable: it cannot be read, or the worker failed.
            Untrusted: the worker's answer has another shape.
        """
        if record.form == "file":  # nobody looks into it; it is one value
            return Inspection(1, (Found("file", "text", False),), "")
        source = self.source(record)
        with source.open(source.names()) as table:
            output = self._workers.run("inspect", {}, table, job=new_id("look"), deadline=self._seconds)
        if record.form == served_model.FORM:
            return _served(output, table.snapshot)
        rows, columns = output.get("rows"), output.get("columns")
        if not isinstance(rows, int) or not isinstance(columns, list):
            raise Untrusted("worker.output")
        return Inspection(rows, tuple(_found(each) for each in columns), table.snapshot)

    def columns(self, source: SourceRecord) -> Mapping[str, str]:
        """The columns' types by name, of a source that is counted in place as its database has them; raises as
        `inspect`."""
        found = self.source(source)
        if isinstance(found, PostgresSource | SparkSource):
            return found.types()
        return {each.name: each.type for each in self.inspect(source).columns}

    def model(self, source: SourceRecord) -> Told | None:
        """What may be told of a source that is a model; None of any other. Raises as `inspect`, and Malformed where
        the file is no model that could be served."""
        return self.inspect(source).model if source.form == served_model.FORM else None

    def check(self, source: SourceRecord, resources: Iterable[Resource]) -> None:
        """Check what only a source that is counted in place can lack, columns whose types hold the described ones;
        and that what is described as a model is that very model.

        Raises:
            Malformed: one does not, or it is another.
            Unavailable: it cannot be read.
        """
        resources, told = [*resources], self.model(source)
        for each in resources:
            if told is not None:
                told.check(each)
            elif each.model is not None:
                raise Malformed("model.described", resource=each.id)
        found = self.source(source)
        if isinstance(found, PostgresSource | SparkSource):
            for each in resources:
                found.check(each)


def _spell_database(source: SourceRecord, names: Mapping[str, str]) -> SourceRecord:
    address, _, fragment = source.uri.partition("#")
    url, kind = database.spell(address)
    _known(source.options, {"names", "table", IN_PLACE})
    table = source.options.get("table", unquote(fragment))
    if not isinstance(table, str) or not table or "#" in table or (source.form not in ("", kind)):
        _refuse("table", "the name of a table or view, and no form")
    options: Object = {"names": dict(names)} if names else {}
    if IN_PLACE in source.options:
        if source.options[IN_PLACE] != "yes" or kind != postgres.KIND:
            _refuse(IN_PLACE, "yes, for a PostgreSQL database, or nothing")
        options[IN_PLACE] = "yes"
    return replace(source, uri=f"{url}#{table}", form=kind, options=options)


def _spell_spark(source: SourceRecord, names: Mapping[str, str]) -> SourceRecord:
    address, _, fragment = source.uri.partition("#")
    _known(source.options, {"names", "table", "tls", IN_PLACE})
    table, tls = source.options.get("table", unquote(fragment)), source.options.get("tls", "")
    if source.form not in ("", spark.KIND) or tls not in ("", "on", "off"):
        _refuse("tls", "on or off, and no form")
    options: Object = {"names": dict(names)} if names else {}
    if tls:
        options["tls"] = tls
    if IN_PLACE in source.options:
        if source.options[IN_PLACE] != "yes":
            _refuse(IN_PLACE, "yes, or nothing")
        options[IN_PLACE] = "yes"
    return replace(source, uri=spark.spell(address, str(table)), form=spark.KIND, options=options)


def _spell_lake(source: SourceRecord, path: Path, form: str, names: Mapping[str, str]) -> SourceRecord:
    """A table's place is its folder, whatever file of it was named: each version of it is the same asset."""
    _known(source.options, _OPTIONS[form])
    options: Object = {"names": dict(names)} if names else {}
    if "version" in source.options:
        options["version"] = _version(source.options["version"])
    if "metadata" in source.options:
        options["metadata"] = _metadata(source.options["metadata"])
    if form == "iceberg" and path.parent.name == "metadata" and _METADATA.match(path.name):
        options["metadata"], path = path.name, path.parent.parent
    return replace(source, uri=path.as_uri(), form=form, options=options)


def _spell_catalog(source: SourceRecord, names: Mapping[str, str]) -> SourceRecord:
    place = unquote(source.uri.partition("://")[2])
    if not _IN_CATALOG.match(place) or source.form not in ("", "iceberg"):
        _refuse("uri", "iceberg://CATALOG/NAMESPACE.TABLE; the catalog's address stands in PyIceberg's own settings")
    _known(source.options, {"names", "version"})
    options: Object = {"names": dict(names)} if names else {}
    if "version" in source.options:
        options["version"] = _version(source.options["version"])
    return replace(source, uri=f"{lake.CATALOG}://{place}", form="iceberg", options=options)


def _lake(record: SourceRecord, spool: Path | None, names: Mapping[str, str]) -> LakeSource:
    version, metadata = (str(record.options.get(each, "")) for each in ("version", "metadata"))
    catalog = not record.uri.startswith("file:")
    place = record.uri.partition("://")[2] if catalog else str(_path(record.uri))
    return LakeSource(place, record.form, spool, names, version, metadata, catalog)


def _version(value: Json) -> str:
    if not isinstance(value, str) or not _VERSION.match(value):
        _refuse("version", "the number of a Delta version or of an Iceberg snapshot")
    return value


def _metadata(value: Json) -> str:
    if not isinstance(value, str) or not _METADATA.match(value):
        _refuse("metadata", "the name of a .metadata.json file in the table's folder metadata")
    return value


def _path(uri: str) -> Path:
    text = unquote(urlsplit(uri).path) if uri.startswith("file:") else uri
    path = Path(text).expanduser()
    if not path.is_absolute() or "\x00" in text:
        _refuse("uri", "an absolute path, or file:// and one")
    return path.resolve()


def _found(column: Json) -> Found:
    if not isinstance(column, dict) or set(column) != {"name", "type", "nullable"}:
        raise Untrusted("worker.output")
    if column["type"] not in (*TYPES, ""):
        raise Untrusted("worker.output")
    return Found(str(column["name"]), str(column["type"]), column["nullable"] is True)


def _served(output: Object, snapshot: str) -> Inspection:
    """Of a model's file, as a worker read it.

    Raises:
        Malformed: it is no model that could be served; what is wrong with it.
        Untrusted: the worker's answer has another shape, or it is of another file.
    """
    code, parameters = output.get("fault"), output.get("parameters", {})
    if isinstance(code, str) and isinstance(parameters, dict):
        if not code.startswith(_OF_FILE) or code not in MESSAGES:
            raise Malformed("model.file")
        raise Malformed(code, **{name: str(each)[:200] for name, each in parameters.items()})
    told = Told.of(output.get("model"))
    # INVARIANT: the file's bytes are the canonical ones that the digest names, so a snapshot can be held to it.
    if told.served.digest != snapshot:
        raise Untrusted("worker.output")
    return Inspection(0, tuple(Found(each.name, each.type, False) for each in told.columns), snapshot, told)


def _names(names: Json) -> dict[str, str]:
    if not isinstance(names, dict):
        _refuse("names", "a mapping of schema names to the source's column names")
    for here, there in names.items():
        if not _NAME.match(here) or not isinstance(there, str) or not there:
            _refuse("names", "a mapping of schema names to the source's column names")
    if len({str(there) for there in names.values()}) != len(names):
        _refuse("names", "each of the source's columns once")
    return {here: str(there) for here, there in names.items()}


def _form(path: Path) -> str:
    """What a file or folder is, by its name, or by what lies in it."""
    described = _METADATA.match(path.name)  # of an Iceberg table: no model, though it ends as one
    return ("" if described else _ENDINGS.get(path.suffix.lower(), "")) or lake.find_form(path)


def _known(options: Object, allowed: set[str]) -> None:
    for name in options:
        if name not in allowed:
            _refuse(name[:40], "nothing: this form of source does not know it")


def _delimiter(value: Json) -> str:
    if not isinstance(value, str) or len(value) != 1 or not value.isascii() or value in '"\r\n':
        _refuse("delimiter", "one ASCII character")
    return value


def _encoding(value: Json) -> str:
    try:
        return codecs.lookup(str(value)).name
    except (LookupError, ValueError):
        _refuse("encoding", "a text encoding such as utf-8 or gb18030")


def _refuse(name: str, expected: str) -> NoReturn:
    raise Malformed("source.settings", name=name, expected=expected)
