"""Fault points: named places at durable writes and calls where a test may make this process die, fail or wait.

``HEFU_FAULT=name:nth:kind`` (kinds ``kill``, ``error``, ``delay``) acts at the nth passing of the point, and only
while ``HEFU_TEST=1`` is set; without it the variable stops the start of a server, so that a production deployment
notices it.
"""

from __future__ import annotations

import os
import signal
import threading
import time

from hefu.errors import Malformed, Unavailable

NAMES = (
    "computation.admitted",
    "ledger.before_commit",
    "ledger.reserved",
    "worker.returned",
    "guard.passed",
    "journal.before_commit",
    "journal.closed",
    "release.sent",
    "flush.sent",
    "broker.before_commit",
    "broker.committed",
    "log.before_commit",
    "log.committed",
    "log.signed",
)
_DELAY_SECONDS = 2.0
_passed: dict[str, int] = {}
_lock = threading.Lock()


def check_setting() -> None:
    """Refuse to start where faults are asked for outside of tests, or the setting is misspelt.

    Raises:
        Malformed: ``HEFU_FAULT`` is set without ``HEFU_TEST=1``, or does not name a point, a count and a kind.
    """
    setting = os.environ.get("HEFU_FAULT")
    if setting is None:
        return
    if os.environ.get("HEFU_TEST") != "1":
        raise Malformed("fault.in_production")
    name, nth, kind = (*setting.split(":"), "", "", "")[:3]
    if name not in NAMES or not nth.isdigit() or kind not in {"kill", "error", "delay"}:
        raise Malformed("fault.malformed", setting=setting)


def point(name: str) -> None:
    """Pass a fault point. Costs one look-up where no fault is set.

    Raises:
        Unavailable: the setting asks for an error here.
    """
    setting = os.environ.get("HEFU_FAULT")
    if setting is None or os.environ.get("HEFU_TEST") != "1":
        return
    wanted, nth, kind = setting.split(":")
    if wanted != name:
        return
    with _lock:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] != int(nth):
            return
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "delay":
        time.sleep(_DELAY_SECONDS)
    else:
        raise Unavailable("fault.injected", name=name)
