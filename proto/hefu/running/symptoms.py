"""What every tower can suffer from: open files, a full disk, a wrong clock, ports, memory that reaches a disk."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from hefu.errors import HefuError
from hefu.keeping import secret, sqlcipher
from hefu.running import backup
from hefu.running.doctor import Finding, Level

_LITTLE, _LEAST = 1 << 30, 100 << 20  # bytes free on a disk
_TMPFS = ("tmpfs", "ramfs")
_SLACK = timedelta(seconds=10)  # by which a clock may be off before it is said
_FAR = timedelta(minutes=4)  # beyond which statements are refused, nearly
_DIAL_SECONDS = 3.0
_OF_TESTS = ("HEFU_TEST", "HEFU_FAULT", "HEFU_CLOCK")


def folder(path: Path) -> Iterator[Finding]:
    """The folder is its owner's alone, and its owner is who runs this."""
    found = path.stat()
    if stat.S_IMODE(found.st_mode) & 0o077:
        yield Finding.of("folder", "fault", "control.open_directory", directory=str(path))
    elif found.st_uid != os.geteuid():
        yield Finding.of("folder", "warning", "doctor.other_user", path=str(path), uid=found.st_uid)
    else:
        yield Finding("folder")


def keys(path: Path) -> Iterator[Finding]:
    """Private keys are readable by their owner only, or encrypted."""
    files = sorted(path.glob("*.key")) if path.is_dir() else []
    if not files:
        yield Finding.of("keys", "fault", "key.unreadable", path=str(path), why="there is no key")
        return
    loose = [each for each in files if stat.S_IMODE(each.stat().st_mode) & 0o077]
    yield from [Finding.of("keys", "fault", "key.loose_file", path=str(each)) for each in loose] or [Finding("keys")]


def secrecy(setting: str, place: Path) -> Iterator[Finding]:
    """There is a secret, it can be read, and it does not lie beside what it opens."""
    if not setting:
        yield Finding.of("secret", "warning", "doctor.clear", path=str(place))
        return
    if secret.lies_beside(setting, place):
        yield Finding.of("secret", "warning", "doctor.secret_beside", path=setting.removeprefix(secret.FILE))
    elif setting == secret.ASKED and not os.environ.get(secret.VARIABLE):
        yield Finding.of("secret", "note", "doctor.asked")
    else:
        try:
            secret.read(setting, place)
        except HefuError as fault:
            yield Finding.raised("secret", fault)
        else:
            yield Finding("secret")


def database(path: Path, setting: str) -> Iterator[Finding]:
    """The file of a SQLite database is its owner's alone, and encrypted once there is a secret."""
    if not path.exists():
        return
    loose = list(private_file("database", path))
    if not loose and setting and sqlcipher.is_plain(path):
        loose.append(Finding.of("database", "warning", "doctor.plain", path=str(path)))
    yield from loose or [Finding("database")]


def private_file(check: str, path: Path) -> Iterator[Finding]:
    """A file that holds state is readable by its owner only, or lies where nobody else may enter."""
    if path.exists() and path.stat().st_mode & 0o077 and path.parent.stat().st_mode & 0o011:
        yield Finding.of(check, "fault", "doctor.loose_state", path=str(path))


def restored(tower: str, path: Path) -> Iterator[Finding]:
    """The folder was not put back from a copy, or was held against somebody else's memory since."""
    time = backup.restored(path)
    if time is not None:
        yield Finding.of("restored", "fault", "backup.restored", path=str(path), time=time, tower=tower)


def disk(path: Path) -> Iterator[Finding]:
    """There is room: a full disk stops releases, since what cannot be journalled does not leave."""
    free = shutil.disk_usage(path).free
    if free < _LITTLE:
        level: Level = "fault" if free < _LEAST else "warning"
        yield Finding.of("disk", level, "doctor.disk", path=str(path), free=free >> 20)
    else:
        yield Finding("disk")


def in_memory(check: str, path: Path) -> Iterator[Finding]:
    """The folder is on a file system in memory."""
    kind = file_system(path)
    if kind in _TMPFS:
        yield Finding(check)
    else:
        yield Finding.of(check, "warning", "doctor.not_memory", path=str(path), kind=kind)


def file_system(path: Path) -> str:
    """The kind of file system that a path is on, as the kernel names it; ``?`` where that cannot be told."""
    place, best, kind = path.resolve(), Path("/"), "?"
    try:
        lines = Path("/proc/self/mounts").read_text("utf-8").splitlines()
    except OSError:
        return "?"
    for line in lines:
        point, named = Path(line.split()[1].replace("\\040", " ")), line.split()[2]
        if place.is_relative_to(point) and len(point.parts) >= len(best.parts):
            best, kind = point, named
    return kind


def memory() -> Iterator[Finding]:
    """What is in memory does not reach a disk: no core files, no swap in the clear."""
    pattern = _text(Path("/proc/sys/kernel/core_pattern"))
    if resource.getrlimit(resource.RLIMIT_CORE)[0] != 0 and pattern:
        yield Finding.of("core dumps", "note", "doctor.cores", pattern=pattern[:80])
    else:
        yield Finding("core dumps")
    swaps = [line.split()[0] for line in _text(Path("/proc/swaps")).splitlines()[1:]]
    open_ = [each for each in swaps if not each.startswith(("/dev/dm-", "/dev/mapper/", "/dev/zram"))]
    yield Finding.of("swap", "warning", "doctor.swap", device=", ".join(open_)) if open_ else Finding("swap")


def environment(test: bool) -> Iterator[Finding]:
    """Nothing that makes servers fail on purpose."""
    named = [name for name in _OF_TESTS if name in os.environ]
    if test or named:
        yield Finding.of("test", "warning", "doctor.test", what=", ".join(["test", *named] if test else named))
    else:
        yield Finding("test")


def clock(signed: datetime, now: datetime, every: float) -> Iterator[Finding]:
    """This machine's clock beside the broker's, by the newest list that the broker signs every so many seconds."""
    ahead = now - signed - timedelta(seconds=every)
    behind = signed - now
    off = max(ahead, behind)
    if off <= _SLACK:
        yield Finding("clock")
        return
    word = "doctor.clock_ahead" if ahead > behind else "doctor.clock_behind"
    level: Level = "fault" if off > _FAR else "warning"
    yield Finding.of("clock", level, word, seconds=round(off.total_seconds()))


def certificate(check: str, begins: datetime, ends: datetime, now: datetime) -> Iterator[Finding]:
    """A certificate that is renewed in time is never in the last sixth of its life."""
    if now >= ends:
        yield Finding.of(check, "fault", "doctor.expired", until=f"{ends:%Y-%m-%d %H:%M}Z")
    elif now < begins:
        yield Finding.of(check, "fault", "doctor.early", since=f"{begins:%Y-%m-%d %H:%M}Z")
    elif ends - now < (ends - begins) / 6:
        yield Finding.of(check, "warning", "doctor.ending", until=f"{ends:%Y-%m-%d %H:%M}Z")
    else:
        yield Finding(check)


def port(check: str, address: str, *, running: bool) -> Iterator[Finding]:
    """A port that a server listens on answers; where none runs, nobody else has taken it."""
    answers = answering(address)
    if running and not answers:
        yield Finding.of(check, "fault", "doctor.deaf", address=address)
    elif answers and not running:
        yield Finding.of(check, "fault", "address.taken", address=address)
    else:
        yield Finding(check)


def answering(address: str) -> bool:
    """Whether somebody accepts connections there; an address of all interfaces is asked on loopback."""
    host, _, number = address.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "::1", "": "127.0.0.1"}.get(host, host.strip("[]"))  # noqa: S104
    try:
        with socket.create_connection((host, int(number)), _DIAL_SECONDS):
            return True
    except OSError:
        return False


def shown(address: str) -> Iterator[Finding]:
    """The health port is not for everybody."""
    host = address.rpartition(":")[0].strip("[]")
    if host and not host.startswith("127.") and host not in ("::1", "localhost"):
        yield Finding.of("http", "note", "doctor.http", address=address)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return ""
