"""What the commands share: their flags, and the running connector by them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hefu.terminal.commands import common

from hefu_connector.workbench import link
from hefu_connector.workbench.link import DEFAULT_DIRECTORY, PEER, call, named, short

if TYPE_CHECKING:
    from hefu.v1.control_pb2_grpc import ControlServiceStub

__all__ = ["PEER", "Commands", "call", "command", "commands", "control", "directory", "named", "short"]

Run = Callable[[argparse.Namespace], int]
Commands = Any  # what argparse's add_subparsers returns; its type is private


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
    return link.directory(getattr(arguments, "dir", None))


def control(arguments: argparse.Namespace) -> AbstractContextManager[ControlServiceStub]:
    """The control service of the running connector; raises Unavailable where none runs."""
    return link.control(directory(arguments))
