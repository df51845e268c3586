"""How people's programs find the running connector of their account, and call it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hefu.errors import Unavailable

if TYPE_CHECKING:
    from hefu.v1.control_pb2_grpc import ControlServiceStub

DEFAULT_DIRECTORY = "./hefu-connector"
PEER = "this participant's connector"


def directory(chosen: str | os.PathLike[str] | None = None) -> Path:
    """The connector's directory: what was said, then HEFU_DIR, then the default; its socket stands for it too."""
    from hefu_connector.desk import control_socket

    found = Path(chosen or os.environ.get("HEFU_DIR") or DEFAULT_DIRECTORY).expanduser().absolute()
    return found.parent if found.name == control_socket.NAME else found


@contextmanager
def control(folder: Path) -> Iterator[ControlServiceStub]:
    """The control service of the running connector.

    Raises:
        Unavailable: no connector runs in the directory.
    """
    from hefu.v1.control_pb2_grpc import ControlServiceStub
    from hefu.wire import transport

    from hefu_connector.desk import control_socket

    with control_socket.address(folder) as address:
        if not control_socket.path(folder).is_socket():
            raise Unavailable("control.absent", directory=str(folder))
        with transport.connect(address, root_pem=None) as channel:
            yield ControlServiceStub(channel)


def call(method: Callable[..., Any], request: Any, timeout: float = 30.0) -> Any:
    """One call of the control service; raises what the connector raised."""
    from hefu.wire import transport

    return transport.invoke(method, request, peer=PEER, timeout=timeout)


def named(kind: str, text: str) -> str:
    """A resource name, whether the person wrote ``products/prd-…`` or ``prd-…``."""
    return text if text.startswith(f"{kind}/") else f"{kind}/{text}"


def contract_name(text: str) -> str:
    """A contract's resource name, by agreement or by negotiation."""
    return named("negotiations" if text.startswith(("neg-", "negotiations/")) else "agreements", text)


def short(name: str) -> str:
    """The id in a resource name."""
    return name.rpartition("/")[2]
