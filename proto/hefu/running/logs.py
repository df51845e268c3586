"""What a server writes to standard error: one line a record, for people or as JSON (``HEFU_LOG=json``).

INVARIANT: no data value stands in a log. An exception is told by its type and where it came from, never by its words,
since libraries put values there; a record ends at its first line break, since drivers put rows behind it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import traceback
from datetime import UTC, datetime
from pathlib import PurePath

from hefu.errors import HefuError, Malformed
from hefu.terminal.commands import harmless

log = logging.getLogger("hefu.logs")
FORMS = ("text", "json")
VARIABLE = "HEFU_LOG"
_LONGEST = 2000  # letters of one message
_FRAMES = 12  # of a traceback, from the innermost on


def configure(form: str = "") -> None:
    """Write the logs of this process in a form: the variable's, else the given one, else text.

    Raises:
        Malformed: there is no such form.
    """
    chosen = os.environ.get(VARIABLE) or form or "text"
    if chosen not in FORMS:
        raise Malformed("settings.value", name=VARIABLE, expected=" or ".join(FORMS))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines() if chosen == "json" else Text())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("alembic", "opentelemetry", "urllib3", "sqlalchemy"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    threading.excepthook = _ended


class Text(logging.Formatter):
    """For people: time, level, room, message."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        told = _told(record)
        extra = " ".join(f"{name}={value}" for name, value in told.items() if name not in _FIRST)
        line = f"{told['time']} {told['level']} {told['logger']}: {told['message']}"
        return f"{line} {extra}".rstrip()


class Lines(logging.Formatter):
    """For machines: one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        return json.dumps(_told(record), ensure_ascii=False)


_FIRST = ("time", "level", "logger", "message")


def _told(record: logging.LogRecord) -> dict[str, str]:
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    # Other libraries are told by their template: what they fill in is not ours to vouch for.
    said = record.getMessage() if record.name.startswith("hefu") else str(record.msg)
    if record.exc_info and not record.name.startswith("hefu"):
        said = said.partition(":")[0]  # gRPC puts the exception's words behind it before it asks for a record
    message = harmless(said.partition("\n")[0])[:_LONGEST]
    told = {"time": at, "level": record.levelname.lower(), "logger": record.name, "message": message}
    fault = record.exc_info[1] if record.exc_info else None
    if fault is not None:
        told["error"] = fault.code if isinstance(fault, HefuError) else type(fault).__name__
        told["at"] = " < ".join(_frames(fault))
    return told


def _ended(fault: threading.ExceptHookArgs) -> None:
    """A thread that died of something unforeseen is a record like others; Python would print the exception's words."""
    if fault.exc_value is not None:
        name = fault.thread.name if fault.thread else "?"
        log.critical("the thread %s ended", name, exc_info=(fault.exc_type, fault.exc_value, fault.exc_traceback))


def _frames(fault: BaseException) -> list[str]:
    """Where it came from, innermost first: file, line and function; no source line and no value."""
    frames = traceback.extract_tb(fault.__traceback__)[-_FRAMES:]
    return [f"{PurePath(each.filename).name}:{each.lineno} {each.name}" for each in reversed(frames)]
