"""What stands before every page and tile: only reading, so many at once, and headers that let a page do very little.

INVARIANT: nothing that is served may ask another origin for anything, run a script that is not a file of ours, or be
shown inside another page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hefu.messages import MESSAGES

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

AT_ONCE = 64  # requests
METHODS = ("GET", "HEAD")
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
)
_UNSAID = (b"cache-control", b"no-store")  # what says nothing of its keeping is kept nowhere


class Guard:
    """An ASGI application around another.

    Args:
        most: requests at once; more are told to come again.
    """

    def __init__(self, app: ASGIApp, most: int = AT_ONCE) -> None:
        self._app = app
        self._most = most
        self._running = 0  # all requests are of one event loop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] not in METHODS:
            await _refuse(_headed(send), 405, "web.method", (b"allow", b"GET, HEAD"))
        elif self._running >= self._most:
            await _refuse(_headed(send), 503, "web.busy", (b"retry-after", b"1"))
        else:
            self._running += 1
            try:
                await self._app(scope, receive, _headed(send))
            finally:
                self._running -= 1


def _headed(send: Send) -> Send:
    async def headed(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = [*message.get("headers", [])]
            kept = () if any(name == _UNSAID[0] for name, _ in given) else (_UNSAID,)
            message = {**message, "headers": [*given, *HEADERS, *kept]}
        await send(message)

    return headed


async def _refuse(send: Send, status: int, code: str, header: tuple[bytes, bytes]) -> None:
    body = f"{MESSAGES[code]['en']}\n{MESSAGES[code]['zh']}\n".encode()
    head = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()), header]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
