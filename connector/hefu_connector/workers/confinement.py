"""What a worker gives up before it sees a byte of data: memory, processor time, files, network, its parent's death.

Limits of the operating system hold whatever a library does. Namespaces and Landlock need a kernel and a container
that allow them: they are tried, and what was reached is reported in the worker's first message.
LIMIT: system calls are not filtered (no seccomp), and a worker runs under the connector's user.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWUSER, _CLONE_NEWNET, _CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
# Source: linux/landlock.h and the system call table that all architectures share since 5.13.
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_PATH_BENEATH = 1
_ALL_RIGHTS = (1 << 13) - 1  # those of the first version
_READ_FILE, _READ_DIRECTORY = 1 << 2, 1 << 3
_SYSTEM = (
    *("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/urandom"),
    *("/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/sys/fs/cgroup", "/sys/devices/system/cpu"),
)
_FILES = 64  # open at once


def isolate() -> str:
    """Leave the network, if the kernel lets us. Must run while the process has one thread.

    Returns:
        ``none`` where no network is left, ``host`` where the host's is still reachable.
    """
    for flags in (_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC, _CLONE_NEWNET):
        if _LIBC.unshare(flags) == 0:
            return "none"
    return "host"


def limit(memory: int, seconds: int) -> None:
    """Set limits that cannot be raised again: address space in bytes, processor time in seconds, no file written."""
    for kind, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    # A write beyond the limit then fails with an error and not with a signal.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def die_with(parent: int) -> None:
    """Be killed when the thread that started us ends. Call it after `isolate`, which would clear it."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    _LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)


def see_only(places: Iterable[Path]) -> str:
    """Open nothing any more but what is below these places, for reading, where the kernel has Landlock.

    Must run while the process has one thread: a thread that stands already is not bound.

    Returns:
        ``few`` where only these places are left, ``all`` where the kernel has no Landlock.
    """
    rights = struct.pack("=Q", _ALL_RIGHTS)
    rules = int(_LIBC.syscall(_LANDLOCK_CREATE, rights, len(rights), 0))
    if rules < 0:
        return "all"
    for place in places:
        if place.exists():
            file = os.open(place, os.O_PATH | os.O_CLOEXEC)
            allowed = _READ_FILE | _READ_DIRECTORY if place.is_dir() else _READ_FILE
            _LIBC.syscall(_LANDLOCK_ADD, rules, _PATH_BENEATH, struct.pack("=Qi", allowed, file), 0)
            os.close(file)
    bound = _LIBC.syscall(_LANDLOCK_RESTRICT, rules, 0) == 0
    os.close(rules)
    return "few" if bound else "all"


def libraries() -> list[Path]:
    """Where this interpreter and its libraries stand, and the little of the system that they ask about."""
    python = [sys.prefix, sys.base_prefix, *sys.path]
    return [Path(each) for each in (*python, *_SYSTEM) if each]
