"""A connector that runs: what is served, what goes on in the background, and the order in which it ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from hefu.errors import HefuError
from hefu.running import health
from hefu.wire import transport

from hefu_connector.background import Loop
from hefu_connector.computing.asking import Asking
from hefu_connector.computing.enforcement import Enforcement
from hefu_connector.contracting.agreements import Agreements
from hefu_connector.contracting.consumer import Consumer
from hefu_connector.contracting.provider import Provider
from hefu_connector.membership.trust import SpaceTrust
from hefu_connector.rpc import control
from hefu_connector.settings import Settings

log = logging.getLogger("hefu.connector")


class Connector:
    """A connector that is put together. Made by `bootstrap.build`; started once.

    Args:
        clearing: removes what a killed connector left behind; called once this directory is held.
        public: serves other connectors; None where nobody may dial in.
        closing: what is closed after the servers, in this order.
        probes: what the health port shows, where the settings have one.

    Attributes:
        desk: what this participant's people are served.
        port: on which other connectors are served; 0 before `start`, or where nobody is served.
        http: the port of `hefu.running.health`; 0 before `start`, or where there is none.
        fault: why it gave up, where it did.
    """

    def __init__(
        self,
        settings: Settings,
        desk: control.Desk,
        trust: SpaceTrust,
        enforcement: Enforcement,
        clearing: Callable[[], object],
        public: Callable[[], transport.Running] | None,
        loops: Sequence[Loop],
        closing: Sequence[Callable[[], None]],
        probes: health.Probes | None = None,
    ) -> None:
        self.settings = settings
        self.desk = desk
        self.trust = trust
        self.enforcement = enforcement
        self.port = self.http = 0
        self._clearing = clearing
        self._public = public
        self._loops = loops
        self._closing = closing
        self._probes = probes or health.Probes()
        self._servers: list[transport.Running | control.Served | health.Port] = []
        self._stopping = threading.Lock()
        self._stopped = False
        self._given_up: list[Callable[[], None]] = []
        self.fault: HefuError | None = None

    @property
    def provider(self) -> Provider:
        """The provider's role."""
        return self.desk.provider

    @property
    def consumer(self) -> Consumer:
        """The consumer's role."""
        return self.desk.consumer

    @property
    def asking(self) -> Asking:
        """Computations that this participant asks for."""
        return self.desk.asking

    @property
    def agreements(self) -> Agreements:
        """The agreements of this participant."""
        return self.desk.agreements

    def when_given_up(self, call: Callable[[], None]) -> None:
        """Call when it must not serve any longer; whoever started it then calls `stop`."""
        self._given_up.append(call)

    def give_up(self, fault: HefuError) -> None:
        """Take it that this connector must not serve any longer; returns at once."""
        self.fault = fault
        for call in self._given_up:
            call()

    def start(self, http: str | None = None) -> None:
        """Serve people and other connectors, and begin what goes on in the background; returns at once.

        Args:
            http: ``host:port`` of the health port, in place of the settings'.

        Raises:
            Unavailable: the address cannot be bound.
            Conflict: a connector serves in this directory already.
        """
        try:
            # The control socket is first: it tells whether another connector holds this directory.
            self._servers.append(control.serve(self.desk))
            self._clearing()
            ended = self.enforcement.recover()
            if ended:
                log.warning("%d computations had been interrupted; what was charged stays charged", ended)
            if self._public is not None:
                running = self._public()
                self._servers.append(running)
                self.port = running.port
            for loop in self._loops:
                loop.start()
            self._show(self.settings.http if http is None else http)
        except HefuError:
            self.stop()
            raise

    def _show(self, http: str) -> None:
        if http:
            shown = health.Port(http, self._probes)
            self._servers.append(shown)
            self.http = shown.number

    def stop(self, grace: float = 2.0) -> None:
        """Take no more calls, end what runs, and return when all is closed; a second call does nothing."""
        with self._stopping:
            if self._stopped:
                return
            self._stopped = True
        self.asking.stop()
        for server in reversed(self._servers):
            server.stop(grace)
        for close in self._closing:
            close()
