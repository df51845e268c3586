"""Errors have sentences, sentences have errors, and nobody swallows what they did not expect."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from typing import TypeGuard

from hefu.errors import KINDS
from hefu.messages import MESSAGES

from tests.architecture.conftest import Room

KIND_NAMES = {kind.__name__ for kind in KINDS.values()}
# Where a process meets the outside: whatever happens there must be answered, logged and survived.
EDGES = {
    "proto/hefu/wire/transport.py",  # a call is answered
    "proto/hefu/__main__.py",  # a command ends with an exit code
    "proto/hefu/keeping/keys.py",  # a library that raises several kinds for one thing: what is sealed does not open
    "connector/hefu_connector/computing/enforcement.py",  # a computation ends and is journalled
    "connector/hefu_connector/computing/filed_ends.py",  # so it is where nothing can be filed for it
    "connector/hefu_connector/background.py",  # a loop goes on
}


def test_every_raised_code_has_a_sentence(rooms: tuple[Room, ...]) -> None:
    unknown = [f"{where}: {code}" for where, code, _ in _raised(rooms) if code not in MESSAGES]
    assert unknown == []


def test_every_raise_fills_the_braces_of_its_sentence(rooms: tuple[Room, ...]) -> None:
    empty = []
    for where, code, given in _raised(rooms):
        if given is None or code not in MESSAGES:
            continue
        wanted = {name for text in (MESSAGES[code]["en"], MESSAGES[code]["zh"]) for name in _braces(text)}
        if wanted - given:
            empty.append(f"{where}: {code} lacks {sorted(wanted - given)}")
    assert empty == []


def test_both_languages_of_a_sentence_have_the_same_braces() -> None:
    """What is filled in is the same, but for words: they have their Chinese beside them, under ``NAME_zh``."""
    pairs = {code: (text["en"], text["zh"].replace("_zh}", "}")) for code, text in MESSAGES.items()}
    assert [code for code, (en, zh) in pairs.items() if _braces(en) != _braces(zh)] == []


def test_no_sentence_is_without_a_use(rooms: tuple[Room, ...]) -> None:
    used = {
        node.value
        for room in rooms
        if not room.path.endswith("hefu/messages.py")
        for node in ast.walk(room.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert sorted(code for code in MESSAGES if code not in used) == []


def test_nobody_catches_everything_away_from_an_edge(rooms: tuple[Room, ...]) -> None:
    found = [
        f"{room.path}:{node.lineno}"
        for room in rooms
        if room.path not in EDGES
        for node in ast.walk(room.tree)
        if isinstance(node, ast.ExceptHandler) and _catches_all(node)
    ]
    assert found == []


def test_every_public_thing_says_what_it_is(rooms: tuple[Room, ...]) -> None:
    silent = [f"{room.path}: {name}" for room in rooms for name in _silent(room)]
    assert silent == []


def test_no_class_is_called_by_an_empty_word(rooms: tuple[Room, ...]) -> None:
    empty = ("Manager", "Helper", "Util", "Utils", "Impl", "Base")
    found = [
        f"{room.path}: {node.name}"
        for room in rooms
        for node in ast.walk(room.tree)
        if isinstance(node, ast.ClassDef) and node.name.endswith(empty)
    ]
    assert found == []


def _raised(rooms: tuple[Room, ...]) -> Iterator[tuple[str, str, set[str] | None]]:
    """(place, code, names of parameters or None where they are computed) of every error that is made."""
    for room in rooms:
        for call in room.calls():
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name not in KIND_NAMES or not call.args:
                continue
            code = call.args[0]
            if isinstance(code, ast.Constant) and isinstance(code.value, str):
                names = [keyword.arg for keyword in call.keywords]
                yield (
                    f"{room.path}:{call.lineno}",
                    code.value,
                    None if None in names else {each for each in names if each},
                )


def _braces(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def _catches_all(handler: ast.ExceptHandler) -> bool:
    caught = handler.type
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return caught is None or any(
        isinstance(each, ast.Name) and each.id in {"Exception", "BaseException"} for each in names
    )


def _silent(room: Room) -> Iterator[str]:
    if not ast.get_docstring(room.tree):
        yield "the file itself"
    for node in room.tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield node.name
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if _is_public(inner) and not ast.get_docstring(inner):
                    yield f"{node.name}.{inner.name}"


def _is_public(node: ast.stmt) -> TypeGuard[ast.FunctionDef]:
    if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
        return False
    return all(getattr(each, "id", "") != "overload" for each in node.decorator_list)
