"""The pages of a test's broker, served over HTTP on loopback as a browser finds them."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hefu_broker.rooms import Spaces
from hefu_broker.storage.spaces import SqlSpaceStore
from hefu_broker.web import app
from hefu_broker.web.listener import Listener

from tests.broker.world import Person, World


@dataclass
class Site:
    """The pages of a world, served over HTTP on loopback."""

    world: World
    port: int

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def get(self, path: str) -> bytes:
        status, _, body = self.ask(path)
        assert status == 200, (path, status, body)
        return body

    def link(self, who: Person, page: str) -> str:
        """The path of a one-time link."""
        return self.world.rooms.visits.link(who.caller, page).removeprefix("http://site")

    def enter(self, who: Person, page: str, **headers: str) -> str:
        """The cookie of a visit."""
        status, found, body = self.ask(self.link(who, page), **headers)
        assert status == 200, body
        return found["set-cookie"].partition(";")[0]


@contextmanager
def serving(world: World) -> Iterator[Site]:
    """Serve the pages of a world."""
    spaces = Spaces(world.rooms, SqlSpaceStore(world.rooms.database))
    listener = Listener("127.0.0.1:0", app.make(spaces), None)
    world.rooms.visits.address = "http://site"
    listener.start()
    try:
        yield Site(world, listener.number)
    finally:
        listener.stop()
