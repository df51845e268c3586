"""What the commands share: how they find the running connector, and how they call it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hefu.commands import common
from hefu.errors import Unavailable

if TYPE_CHECKING:
    from hefu.v1.control_pb2_grpc import ControlServiceStub

Run = Callable[[argparse.Namespace], int]
Commands = Any  # what argparse's add_subparsers returns; its type is private
DEFAULT_DIRECTORY = "./hefu-connector"
PEER = "this participant's connector"


def commands(parser: argparse.ArgumentParser) -> Commands:
    """The place for a group's subcommands."""
    return parser.add_subparsers(metavar="COMMAND", required=True)


def command(group: Commands, name: str, help_: str, run: Run) -> argparse.ArgumentParser:
    """Add one subcommand with the flags that all have."""
    parser: argparse.ArgumentParser = group.add_parser(name, help=help_, description=help_[0].upper() + help_[1:] + ".")
    parser.add_argument(
        "--dir", metavar="DIR", help=f"the connector's directory (default: HEFU_DIR, then {DEFAULT_DIRECTORY})"
    )
    return common(parser, run)


def directory(arguments: argparse.Namespace) -> Path:
    """The connector's directory: the flag, then HEFU_DIR, then the default."""
    chosen = getattr(arguments, "dir", None) or os.environ.get("HEFU_DIR") or DEFAULT_DIRECTORY
    return Path(chosen).expanduser().absolute()


@contextmanager
def control(arguments: argparse.Namespace) -> Iterator[ControlServiceStub]:
    """The control service of the running connector.

    Raises:
        Unavailable: no connector runs in the directory.
    """
    from hefu import transport
    from hefu.v1.control_pb2_grpc import ControlServiceStub

    from hefu_connector.desk import control_socket

    folder = directory(arguments)
    with control_socket.address(folder) as address:
        if not control_socket.path(folder).is_socket():
            raise Unavailable("control.absent", directory=str(folder))
        with transport.connect(address, root_pem=None) as channel:
            yield ControlServiceStub(channel)


def call(method: Callable[..., Any], request: Any, timeout: float = 30.0) -> Any:
    """One call of the control service; raises what the connector raised."""
    from hefu import transport

    return transport.invoke(method, request, peer=PEER, timeout=timeout)


def named(kind: str, text: str) -> str:
    """A resource name, whether the person wrote ``products/prd-…`` or ``prd-…``."""
    return text if text.startswith(f"{kind}/") else f"{kind}/{text}"


def short(name: str) -> str:
    """The id in a resource name."""
    return name.rpartition("/")[2]
