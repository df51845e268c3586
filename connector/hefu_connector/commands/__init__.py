"""The commands of a participant. Light to import: whatever is heavy is imported by the command that needs it.

A group's own file is imported when its commands are asked for, so that nobody waits for those of the others.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from importlib import import_module

from hefu.terminal.commands import Group


def _of(file: str, name: str = "add") -> Callable[[ArgumentParser], None]:
    """What adds a group's commands to its parser."""

    def add(parser: ArgumentParser) -> None:
        getattr(import_module(f"{__name__}.{file}"), name)(parser)

    return add


CONNECTOR = Group("connector", "set up and run this participant's connector", _of("connector"))
SOURCE = Group("source", "where this participant's data is", _of("source"))
PRODUCT = Group("product", "describe and publish data products", _of("product"))
MODEL = Group("model", "models that are served on encrypted records", _of("model"))
CATALOG = Group("catalog", "find what others offer", _of("catalog"))
CONTRACT = Group("contract", "request, approve and end contracts", _of("contract"))
COMPUTE = Group("compute", "ask private statistics under a contract", _of("compute"))
DELIVERY = Group("delivery", "have data delivered under a contract; read, export and delete it", _of("delivery"))
POLICY = Group("policy", "policies in plain words: templates, checks, tests, what would be permitted", _of("policy"))
RELEASE = Group("release", "what left this provider, to whom, under which clause", _of("record", "add_release"))
BUDGET = Group("budget", "privacy budgets: granted, spent, left", _of("record", "add_budget"))

__all__ = [
    "BUDGET", "CATALOG", "COMPUTE", "CONNECTOR", "CONTRACT", "DELIVERY", "MODEL", "POLICY", "PRODUCT", "RELEASE",
    "SOURCE",
]  # fmt: skip
