"""Documents and generated files say what the code says."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hefu.__main__ import parser
from hefu.messages import MESSAGES

from docs import generate
from tests import division

_PATH = re.compile(r"`((?:proto|policies|broker|connector|audit|deploy|tests|docs|benchmarks)/[\w/.-]+)`")
_BLOCK = re.compile(r"^```(?:sh|bash|console|text)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_stubs_are_what_the_proto_files_say(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, root / "proto/generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_generated_pages_are_fresh() -> None:
    assert generate.stale() == []


def test_every_error_code_stands_in_the_docs(root: Path) -> None:
    page = (root / "docs/errors.md").read_text("utf-8")
    assert [code for code in MESSAGES if f"`{code}`" not in page] == []


def test_every_call_says_what_it_does(root: Path) -> None:
    found = [call for path in (root / "proto/hefu/v1").glob("*.proto") for call in generate.calls(path.read_text())]
    assert len(found) > 40, "the scan finds nothing any more"
    assert [f"{call.service}.{call.name}" for call in found if len(call.comment) < 15] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/README.md", "docs/running.md"])
def test_every_path_in_a_page_exists(root: Path, page: str) -> None:
    text = (root / page).read_text("utf-8")
    links = [each for each in re.findall(r"\]\(([^)#:]+)\)", text) if not each.startswith("http")]
    missing = [each for each in _PATH.findall(text) if not (root / each).exists()]
    missing += [each for each in links if not (root / page).parent.joinpath(each).exists()]
    assert missing == []


@pytest.mark.parametrize("page", ["README.md", "docs/running.md"])
def test_every_command_in_a_page_exists(root: Path, page: str) -> None:
    commands = _groups(parser([]))
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE))
    unknown = []
    seen = 0
    for words in _commands((root / page).read_text("utf-8")):
        seen += 1
        if words[0] == "make":
            unknown += [f"make {target}" for target in words[1:] if target not in targets]
        elif len(words) < 2 or words[1] not in commands:
            unknown.append(" ".join(words))
        elif commands[words[1]] and (len(words) < 3 or words[2] not in commands[words[1]]):
            unknown.append(" ".join(words[:3]))
    assert unknown == []
    assert seen >= 2


def test_every_file_that_the_division_of_the_tests_names_is_there(root: Path) -> None:
    assert [each for each in division.FILES if not (root / each).exists()] == []


def test_every_random_test_that_has_many_examples_runs_them_in_some_part_of_test_deep(root: Path) -> None:
    """One without its mark, or in a folder of no part, would draw its few examples for ever."""
    found = re.findall(r"^DEEP_[a-z]+ := (.+)$", (root / "Makefile").read_text(), re.MULTILINE)
    parts = {folder for line in found for folder in line.split()}
    files = {
        each: each.read_text("utf-8") for each in (root / "tests").rglob("test_*.py") if each.name != "test_docs.py"
    }
    random = [each for each, text in files.items() if "from tests.deep import" in text]
    unmarked = [each.name for each in random if "mark.deep" not in files[each]]
    marked = [each.parent.relative_to(root).as_posix() for each, text in files.items() if "mark.deep" in text]
    apart = [each for each in marked if each not in parts]
    assert (unmarked, apart) == ([], [])
    assert len(random) > 10


def test_decisions_are_short_and_dated(root: Path) -> None:
    pages = list((root / "docs/decisions").glob("*.md"))
    assert pages
    for path in pages:
        assert re.match(r"\d{4}-\d{2}-\d{2}-[a-z0-9-]+\.md$", path.name)
        text = path.read_text("utf-8")
        assert len(text.splitlines()) <= 60
        assert all(word in text for word in ("**Decision.**", "**Rationale.**", "**Consequences.**"))


def _commands(text: str) -> Iterator[list[str]]:
    """Every ``make`` and ``hefu`` command of the code blocks and of the text."""
    found = [line for block in _BLOCK.findall(text) for line in block.splitlines()]
    found += re.findall(r"`((?:make|hefu) [^`]+)`", text)
    for line in found:
        words = line.split("#")[0].split("|")[0].strip().removeprefix("$ ").removeprefix(".venv/bin/").split()
        words = words[2:] if words[:2] == ["python", "-m"] else words
        if words and words[0] in {"make", "hefu"}:
            yield words


def _groups(whole: argparse.ArgumentParser) -> dict[str, set[str]]:
    """Subcommands of each command; an empty set where it has none."""
    return {name: set(_choices(each)) for name, each in _choices(whole).items()}


def _choices(whole: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in whole._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}
