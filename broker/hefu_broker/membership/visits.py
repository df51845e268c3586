"""How a browser proves who reads: a one-time link that a member's connector asked for, and the visit that it opens.

A connector asks over mutual TLS, so the broker knows who it is. It is given a token that opens one page once, within
minutes; whoever opens it is handed the secret of a visit, which dies by itself, with the connector's certificate, and
with its participant's standing. Of both only digests are kept: who reads the database opens nothing.

INVARIANT: a visit is to the one page that its link was for; it can change nothing.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from hefu import canonical
from hefu.errors import HefuError, NotFound, Unauthenticated, Unavailable
from hefu.identity import Binding, read_bytes, write_bytes
from hefu.times import Clock

from hefu_broker.membership.registry import Registry
from hefu_broker.ports import VisitStore
from hefu_broker.records import Visit

CATALOG, LOG, CONTRACTS = "catalog", "log", "contracts/"
LINK_LIFE, VISIT_LIFE = timedelta(minutes=5), timedelta(hours=1)
_SECRET = 32  # bytes
LONGEST = 64  # characters of a secret


class Visits:
    """Links and visits of one space.

    Attributes:
        address: what every link begins with; empty while no pages are served.
    """

    def __init__(self, registry: Registry, store: VisitStore, clock: Clock) -> None:
        self._registry = registry
        self._store = store
        self._clock = clock
        self.address = ""

    def link(self, caller: Binding, page: str) -> str:
        """An address that opens a page once, for the caller.

        Raises:
            Unavailable: this broker serves no pages.
        """
        if not self.address:
            raise Unavailable("web.off")
        token, now = _draw(), self._clock.now()
        self._store.keep(_digest(token), Visit(caller.fingerprint, page, now + LINK_LIFE), now)
        return f"{self.address}/open/{token}"

    def open(self, token: str) -> tuple[str, Visit]:
        """Use up a link: the secret of the visit that it opens, always a new one, and the visit.

        Raises:
            Unauthenticated: the link was used, is too old, or was never given; or its caller may not act any more.
        """
        _check(token, "web.used")
        secret, now = _draw(), self._clock.now()
        found = self._store.open(_digest(token), _digest(secret), now + VISIT_LIFE, now)
        if found is None:
            raise Unauthenticated("web.used")
        self._member(found)
        return secret, found

    def reader(self, secret: str, page: str) -> Binding:
        """Who visits a page with a secret, as it may act now.

        Raises:
            Unauthenticated: there is no such visit to this page, it is over, or its caller may not act any more.
        """
        _check(secret, "web.unopened")
        found = self._store.visit(_digest(secret), self._clock.now())
        if found is None or found.page != page:
            raise Unauthenticated("web.unopened")
        return self._member(found)

    def _member(self, visit: Visit) -> Binding:
        return self._registry.member(self._registry.authenticate(visit.fingerprint))


def _draw() -> str:
    return write_bytes(secrets.token_bytes(_SECRET))


def _check(secret: str, code: str) -> None:
    """Only what this module wrote is looked up."""
    try:
        if len(secret) <= LONGEST and write_bytes(read_bytes(secret, _SECRET)) == secret:
            return
    except (HefuError, ValueError):
        pass
    raise Unauthenticated(code)


def _digest(secret: str) -> str:
    return canonical.digest(f"visit {secret}".encode())


def contract_page(id_: str) -> str:
    """The page of a contract, by the id in its address."""
    if "/" in id_ or not 0 < len(id_) <= 128:
        raise NotFound("web.absent")
    return f"{CONTRACTS}{id_}"
