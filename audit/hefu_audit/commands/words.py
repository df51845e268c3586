"""What the commands of an auditor share: their parsers, their directory, and a bundle that was verified."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hefu.checking import verify
from hefu.evidence.bundle import open_bundle
from hefu.times import SystemClock
from hefu.tlog.note import VerifierKey

from hefu_audit.home import Home

Commands = Any  # what argparse's add_subparsers returns; its type is private
DEFAULT_DIRECTORY = "./hefu-audit"


def sub(group: Commands, name: str, help_: str) -> argparse.ArgumentParser:
    """A command below ``hefu audit``, with ``--dir``."""
    parser: argparse.ArgumentParser = group.add_parser(name, help=help_, description=help_[0].upper() + help_[1:] + ".")
    parser.add_argument(
        "--dir", metavar="DIR", help=f"the auditor's directory (default: HEFU_AUDIT_DIR, then {DEFAULT_DIRECTORY})"
    )
    return parser


def directory(arguments: argparse.Namespace) -> Path:
    """The auditor's directory, as it was given or as it is found."""
    chosen = getattr(arguments, "dir", None) or os.environ.get("HEFU_AUDIT_DIR") or DEFAULT_DIRECTORY
    return Path(chosen).expanduser().absolute()


def reported(arguments: argparse.Namespace) -> verify.Report:
    """The verified report of the bundle that was given, or of one fetched now."""
    home = Home(directory(arguments))
    if arguments.bundle is None:
        with fetched(home) as path, open_bundle(path) as bundle:
            return verify.verify(bundle, pins(home))
    with open_bundle(arguments.bundle) as bundle:
        return verify.verify(bundle, pins(home))


def pins(home: Home) -> verify.Pins:
    """This auditor's pins; none where there is no auditor here and trust must come from the bundle."""
    if not home.space_file.exists():
        return verify.Pins()
    space = home.space()
    return verify.Pins(space.root, VerifierKey.parse(space.log_key), space=space)


@contextmanager
def fetched(home: Home) -> Iterator[Path]:
    """A verified bundle of the whole log as it is now, gone when it was used."""
    from hefu_audit import desk
    from hefu_audit.clients import broker

    space = home.space()
    with tempfile.TemporaryDirectory(dir=home.directory) as folder:
        path = Path(folder) / "bundle.zip"
        with broker.connected(home, space, SystemClock()) as log:
            desk.visit(space, log, home, path, log.stamps)
        yield path
