"""A bad network between real processes: a TCP proxy here that can cut, hold back and reset what it carries."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

PASS, HOLD, DEAF, MUTE, RESET, REFUSE = "pass", "hold", "deaf", "mute", "reset", "refuse"
# hold: half-open, nothing goes either way and nobody hears of it; deaf: nothing reaches the server; mute: nothing comes
# back from it; reset: connections are torn; refuse: torn, and new ones too.
BAD = (HOLD, DEAF, MUTE, RESET, REFUSE)
_RST = struct.pack("ii", 1, 0)


class Proxy:
    """Listens on a port of its own and carries to another one of this machine.

    Attributes:
        mode: how it treats every byte from now on.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.mode = PASS
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def become(self, mode: str) -> None:
        """Treat everything so from now on; what was held back is lost."""
        self.mode = mode
        if mode in (RESET, REFUSE):
            self._tear()
        if mode == PASS:
            # Bytes were lost inside of what is open now: no end of it can go on.
            self._tear()
        if mode == RESET:
            self.mode = PASS

    def close(self) -> None:
        self._server.close()
        self._tear()

    def _tear(self) -> None:
        with self._lock:
            held, self._open = self._open, []
        for each in held:
            with suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            if self.mode == REFUSE:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 5)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open += [client, server]
            threading.Thread(target=self._carry, args=(client, server, (HOLD, DEAF)), daemon=True).start()
            threading.Thread(target=self._carry, args=(server, client, (HOLD, MUTE)), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, swallows: tuple[str, ...]) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self.mode not in swallows:
                    sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
