"""A-c: a stranger who opens connection after connection, and leaves each after the handshake, ends no server."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hefu.times import SystemClock
from hefu.wire import transport
from hefu_broker.membership.authority import Authority

_ATTACKERS, _HANDSHAKES = 16, 1500
_SERVER = """
import sys, time
from pathlib import Path
from hefu.wire import transport
pem = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]).read_bytes()
running = transport.serve("127.0.0.1:0", [], transport.server_credentials(lambda: pem, None), None)
print(running.port, flush=True)
sys.stdin.read()
"""


def test_a_c_many_handshakes_at_once_end_no_server(tmp_path: Path) -> None:
    authority, key = (
        Authority.found("demo", SystemClock().now(), timedelta(hours=1)),
        ec.generate_private_key(ec.SECP256R1()),
    )
    issued = authority.issue(key.public_key(), "broker", "broker", SystemClock().now())
    files = tmp_path / "key.pem", tmp_path / "certificate.pem"
    files[0].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    files[1].write_bytes(transport.to_pem(issued.der))
    # In a process of its own: where it dies, it dies by a signal.
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, *map(str, files)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    port, left = int(server.stdout.readline()), threading.Semaphore(_HANDSHAKES)
    done: list[int] = []
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])

    def attack() -> None:
        while left.acquire(blocking=False) and server.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", port), 10) as made:
                    context.wrap_socket(made, server_hostname="broker.hefu").close()
                done.append(1)
            except OSError:
                continue

    attackers = [threading.Thread(target=attack) for _ in range(_ATTACKERS)]
    for each in attackers:
        each.start()
    for each in attackers:
        each.join()
    ended = server.poll()
    server.communicate("")
    assert ended is None, f"the server died after {len(done)} handshakes"
    assert len(done) > _HANDSHAKES // 2
