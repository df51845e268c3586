"""What can be wrong with a broker: its examination for ``hefu doctor``. It changes nothing."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from hefu.errors import HefuError
from hefu.running import symptoms
from hefu.running.doctor import Doctor, Finding
from hefu.space import SpaceFile
from hefu.times import SystemClock

from hefu_broker.settings import FILE, Settings

_DATABASE, _ROOT_KEY = "broker.db", "root.key"
_STALE = 3  # status lists that may be missed


def examine(folder: Path) -> Iterator[Finding]:
    """Everything about a broker, from its files to its ports and its log."""
    try:
        settings, space = Settings.read(folder), SpaceFile.read(folder / "space.json")
    except HefuError as fault:
        yield Finding.raised("settings", fault)
        return
    yield Finding("settings")
    yield from _files(folder, settings)
    yield from symptoms.memory()
    yield from symptoms.environment(settings.test)
    running = _held(folder)
    if not running:
        yield Finding.of("server", "note", "doctor.idle", tower="broker", path=str(folder))
    for check, address in (
        ("address", settings.address),
        ("enrolment", settings.enrolment),
        ("relay", settings.relay),
        ("web", settings.web),
    ):
        if address and not address.endswith(":0"):
            yield from symptoms.port(check, address, running=running)
    if running and space.address != settings.address and not symptoms.answering(space.address):
        yield Finding.of("public address", "warning", "doctor.self_unreachable", address=space.address)
    yield from symptoms.shown(settings.http)
    if running:
        yield from _work(folder)


def _files(folder: Path, settings: Settings) -> Iterator[Finding]:
    yield from symptoms.folder(folder)
    yield from symptoms.keys(folder / "keys")
    yield from symptoms.secrecy(settings.secret, folder)
    yield from symptoms.database(folder / _DATABASE, settings.secret)
    yield from symptoms.disk(folder)
    yield from symptoms.restored("broker", folder)
    roots = sorted(folder.parent.glob(f"*/{_ROOT_KEY}"))
    for each in roots:
        yield Finding.of("root", "warning", "doctor.root_here", path=str(each.parent))
    if not roots:
        yield Finding("root")
    checkpoint = folder / settings.checkpoint
    if checkpoint.exists() and checkpoint.stat().st_dev == folder.stat().st_dev:
        yield Finding.of("checkpoint", "note", "doctor.checkpoint_beside", path=str(checkpoint))
    else:
        yield Finding("checkpoint")


def _held(folder: Path) -> bool:
    """Whether a server holds the folder."""
    try:
        handle = os.open(folder / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _work(folder: Path) -> Iterator[Finding]:
    """Whether the running server signs status lists and takes statements into the log."""
    from hefu_broker.bootstrap import open_rooms

    try:
        rooms = open_rooms(folder)
    except HefuError as fault:
        yield Finding.raised("database", fault)
        return
    try:
        newest, now = rooms.standings.newest().time, SystemClock().now()
        age = (now - newest).total_seconds()
        if age > _STALE * rooms.settings.status_seconds:
            yield Finding.of("status list", "fault", "doctor.stale_status", age=round(age))
        else:
            yield Finding("status list")
        waiting = rooms.sequencer.waiting()
        if waiting:
            yield Finding.of("log", "warning", "doctor.backlog", count=waiting, since="?")
        else:
            yield Finding("log")
        missing = rooms.witnesses.lacking()
        if missing:
            yield Finding.of("witnesses", "warning", "doctor.witnesses", names=", ".join(missing))
        else:
            yield Finding("witnesses")
    except HefuError as fault:
        yield Finding.raised("log", fault)
    finally:
        rooms.database.close()


BROKER = Doctor(FILE, examine)
