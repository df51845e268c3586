"""Whom a watch tells: a file of JSON lines, and a web address that takes a signed statement for each alert.

What is not taken is kept and sent again at the next look, in order; the same bytes, so that a receiver knows a
repetition by its id. A web address is of HTTPS, or of this machine.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from hefu.envelope import draft
from hefu.errors import Malformed, Unavailable
from hefu.membership.enrolment import KeyRing
from hefu.times import write_time
from hefu.wire import posting

from hefu_audit.watching.rules import Alert
from hefu_audit.watching.state import State

ALERT = "audit.alert"
FILE, WEBHOOK = "file", "webhook"
_AT_HOME = ("127.0.0.1", "::1", "localhost")
Send = Callable[[str], None]


def line(alert: Alert, at: datetime) -> str:
    """An alert as a line of the file."""
    return json.dumps({"at": write_time(at), **alert.document()}, ensure_ascii=False)


def signed(ring: KeyRing, space: str) -> Callable[[Alert, datetime], str]:
    """Writes alerts as statements under the auditor's key."""
    signer = ring.signer()

    def write(alert: Alert, at: datetime) -> str:
        made = draft(ALERT, alert.document(), space=space, issuer=ring.participant, at=at).sign(signer, at)
        return made.to_bytes().decode()

    return write


def appender(path: Path) -> Send:
    """Appends a line durably; raises Unavailable where the disk does not take it."""

    def send(text: str) -> None:
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as fault:
            raise Unavailable("storage.busy", detail=str(fault)) from None

    return send


def poster(url: str) -> Send:
    """Posts a statement; anything but an answer of 2xx is Unavailable.

    Raises:
        Malformed: the address is not of HTTPS, nor of this machine.
    """
    place = urlsplit(url)
    if not place.hostname or not (place.scheme == "https" or (place.scheme == "http" and place.hostname in _AT_HOME)):
        raise Malformed("audit.webhook", url=url[:200])

    def send(text: str) -> None:
        status, _ = posting.post(url, text.encode(), "application/json", away="audit.unheard")
        if not 200 <= status < 300:
            raise Unavailable("audit.unheard", url=url[:200], detail=str(status))

    return send


def deliver(state: State, sends: dict[str, Send]) -> dict[str, Unavailable]:
    """Tell each sink what it was not told, in order; who did not take it, and why."""
    failed = {}
    for name, send in sends.items():
        for text in state.untold(name):
            try:
                send(text)
            except Unavailable as fault:
                failed[name] = fault
                break
            state.heard(name, 1)
    return failed
