"""The commands of a regulator or auditor: ``hefu audit …``, one file a family."""

from __future__ import annotations

import argparse

from hefu.terminal.commands import Group

from hefu_audit.commands import asking, bundling, joining, mandate, pages, reading, watching

_FAMILIES = (joining, mandate, reading, asking, bundling, pages, watching)


def _add(parser: argparse.ArgumentParser) -> None:
    group = parser.add_subparsers(metavar="COMMAND", required=True)
    for family in _FAMILIES:
        family.add(group)


AUDIT = Group("audit", "read, verify and explain the audit log", _add)
