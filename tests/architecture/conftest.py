"""The source as syntax trees, read once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "proto/hefu",
    "policies/hefu_policies",
    "broker/hefu_broker",
    "connector/hefu_connector",
    "audit/hefu_audit",
    "deploy/hefu_space",
)


@dataclass(frozen=True)
class Room:
    """One source file: its path from the root of the repository, and its tree."""

    path: str
    tree: ast.Module
    text: str

    def calls(self) -> Iterator[ast.Call]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))


@pytest.fixture(scope="session")
def rooms() -> tuple[Room, ...]:
    """Every file that people wrote: no stub and no migration."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            where = path.relative_to(ROOT).as_posix()
            if "_pb2" in path.name or "/migrations/" in where:
                continue
            text = path.read_text("utf-8")
            found.append(Room(where, ast.parse(text, where), text))
    return tuple(found)


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT
