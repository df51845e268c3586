"""Two hosts on one machine: network and mount namespaces, a cable between them, no shared disk, and a firewall.

The near host is the namespace this process runs in (started under ``unshare --net``); the far host is one of its own,
in which the near host's folder is not there, and whose own folder is nowhere else.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

NEAR, FAR = "10.77.0.1", "10.77.0.2"
# Classic BPF on an Ethernet frame: an IPv4 TCP segment with SYN and without ACK is dropped (TC_ACT_SHOT), else passes.
# That is what a firewall does that lets nobody in: connections that go out are answered, none comes in.
_NO_NEW_CONNECTIONS = "9,40 0 0 12,21 0 6 2048,48 0 0 23,21 0 4 6,48 0 0 47,84 0 0 18,21 0 1 2,6 0 0 2,6 0 0 0"


@dataclass
class FarHost:
    """The far host, while it is up.

    Attributes:
        folder: of its own: a file system in its memory; seen from the near host as `seen`.
    """

    folder: Path
    hidden: Path
    pid: int = 0
    _holder: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def up(self) -> FarHost:
        """Make it, lay the cable, close its door."""
        self.folder.mkdir(parents=True)
        script = (
            f"mount --make-rprivate / && mount -t tmpfs none {self.folder} && mount -t tmpfs none {self.hidden} "
            "&& ip link set lo up && echo up && exec sleep 100000"
        )
        self._holder = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c", script], stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"up\n"
        self.pid = self._holder.pid
        _ip("link set lo up")
        _ip(f"link add near type veth peer name far netns {self.pid}")
        _ip(f"addr add {NEAR}/24 dev near")
        _ip("link set near up")
        self.run("ip", "addr", "add", f"{FAR}/24", "dev", "far")
        self.run("ip", "link", "set", "far", "up")
        self.run("tc", "qdisc", "add", "dev", "far", "ingress")
        self.run(
            *["tc", "filter", "add", "dev", "far", "parent", "ffff:", "bpf", "bytecode"],
            _NO_NEW_CONNECTIONS,
            "direct-action",
        )
        return self

    @property
    def way(self) -> Sequence[str]:
        """The words that bring a command there."""
        return ("nsenter", f"--target={self.pid}", "--net", "--mount", "--")

    @property
    def environment(self) -> dict[str, str]:
        """Of a person on that host."""
        return {"HOME": str(self.folder)}

    def run(self, *words: str, data: bytes = b"") -> bytes:
        """Run a command there; what it says."""
        return subprocess.run([*self.way, *words], input=data, capture_output=True, check=True).stdout

    def carry(self, data: bytes, path: Path) -> None:
        """Bring a file there by hand, as on a memory stick."""
        self.run("sh", "-c", f"umask 077; mkdir -p {path.parent}; cat > {path}", data=data)

    def lets_in(self, port: int) -> bool:
        """Whether a connection from the near host arrives at a server there."""
        server = f"import socket; s = socket.create_server(('{FAR}', {port})); print('up', flush=True); s.accept()"
        process = subprocess.Popen([*self.way, "python3", "-c", server], stdout=subprocess.PIPE)
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"up\n"
            socket.create_connection((FAR, port), timeout=1.5).close()
            return True
        except OSError:
            return False
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def down(self) -> None:
        """Take it away with everything on it."""
        if self._holder is not None:
            os.kill(self._holder.pid, signal.SIGKILL)
            self._holder.wait()


class Capture:
    """Everything on the cable, from now on; `heard` after `stop`."""

    def __init__(self, device: str = "near") -> None:
        self.heard = bytearray()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._socket.bind((device, 0))
        self._socket.settimeout(0.2)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def stop(self) -> bytes:
        """All frames one after another."""
        self._stopped.set()
        self._thread.join()
        self._socket.close()
        return bytes(self.heard)

    def _listen(self) -> None:
        while not self._stopped.is_set():
            try:
                self.heard += self._socket.recv(65535)
            except TimeoutError:
                continue


def _ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)
