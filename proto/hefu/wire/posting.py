"""Posting to an address that somebody configured: one question over HTTP, limited in time and size.

Nothing is followed elsewhere, no proxy is asked, and a certificate of HTTPS is verified as the system does.
"""

from __future__ import annotations

import http.client
import ssl
from urllib.parse import urlsplit

from hefu.errors import Unavailable


def post(
    url: str, body: bytes, kind: str, *, path: str = "", seconds: float = 10.0, largest: int = 64 << 10, away: str
) -> tuple[int, bytes]:
    """Post a body to an address of http or https.

    Args:
        kind: of the body, as Content-Type says it.
        path: below the address.
        seconds: before a party that says nothing is away.
        largest: bytes of an answer that are read.
        away: the code of the error where nobody answers; it tells `url` and `detail`.

    Returns:
        The status, and the first bytes of the answer.

    Raises:
        Unavailable: nobody answers there, or not as HTTP does.
    """
    place = urlsplit(url)
    host = place.hostname or ""
    target = ((place.path.rstrip("/") + path if path else place.path) or "/") + (
        f"?{place.query}" if place.query else ""
    )
    try:
        connection = (
            http.client.HTTPSConnection(host, place.port, timeout=seconds, context=ssl.create_default_context())
            if place.scheme == "https"
            else http.client.HTTPConnection(host, place.port, timeout=seconds)
        )
        try:
            connection.request("POST", target, body, {"Content-Type": kind})
            answered = connection.getresponse()
            return answered.status, answered.read(largest)
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as fault:
        raise Unavailable(away, url=url[:200], detail=type(fault).__name__) from None
