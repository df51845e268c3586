"""YAML as nodes that know their line: nothing is cast, so ``0.1`` stays the text that was written.

Anchors, tags and duplicate keys are refused: what a person reads in the file is all there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hefu_connector.descriptions.faults import Fault

LARGEST_FILE = 1 << 20  # bytes
DEEPEST = 16
_TAG = "tag:yaml.org,2002:"


class Form(StrEnum):
    """What a node is written as."""

    MAPPING = "mapping"
    LIST = "list"
    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    EMPTY = "empty"


_SCALARS = {"str": Form.TEXT, "int": Form.NUMBER, "float": Form.NUMBER, "bool": Form.FLAG, "null": Form.EMPTY}


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the file.

    Attributes:
        line: of its key, or of itself in a list; counts from 1.
        place: path, for example ``offers[0].policy``.
        text: of a scalar, exactly as written.
    """

    line: int
    place: str
    form: Form
    text: str = ""
    members: Mapping[str, Node] = field(default_factory=dict)
    items: tuple[Node, ...] = ()


def parse(text: str) -> tuple[Node | None, list[Fault]]:
    """The file's root and what is wrong with its form; no root where it is no YAML mapping at all."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if len(text.encode()) > LARGEST_FILE:
        return None, [Fault(1, "", "product.yaml", "yaml", {"why": f"more than {LARGEST_FILE} bytes"})]
    try:
        root = YAML(typ="rt").compose(text)
    except MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        line = mark.line + 1 if mark else 1
        return None, [Fault(line, "", "product.yaml", "yaml", {"why": fault.problem or "not YAML"})]
    except (YAMLError, ValueError, RecursionError) as fault:
        return None, [Fault(1, "", "product.yaml", "yaml", {"why": type(fault).__name__})]
    if root is None:
        return None, [Fault(1, "", "product.empty", "draft")]
    faults: list[Fault] = []
    node = _convert(root, "", root.start_mark.line + 1, 0, faults)
    return node, faults


def _convert(raw: Any, place: str, line: int, depth: int, faults: list[Fault]) -> Node:
    tag = str(raw.tag).removeprefix(_TAG)
    if raw.anchor is not None or depth > DEEPEST or tag not in {*_SCALARS, "map", "seq", "timestamp"}:
        faults.append(Fault(line, place, "product.plain", "plain"))
        return Node(line, place, Form.EMPTY)
    if tag == "map":
        return Node(line, place, Form.MAPPING, members=_members(raw, place, depth, faults))
    if tag == "seq":
        items = (
            _convert(each, f"{place}[{index}]", each.start_mark.line + 1, depth + 1, faults)
            for index, each in enumerate(raw.value)
        )
        return Node(line, place, Form.LIST, items=tuple(items))
    return Node(line, place, _SCALARS.get(tag, Form.TEXT), text=str(raw.value))


def _members(raw: Any, place: str, depth: int, faults: list[Fault]) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for key, value in raw.value:
        line, name = key.start_mark.line + 1, str(key.value)
        where = f"{place}.{name}" if place else name
        if not isinstance(key.value, str) or key.anchor is not None:
            faults.append(Fault(line, place, "product.plain", "plain"))
        elif name in found:
            faults.append(Fault(line, where, "product.twice", "twice", {"line": str(found[name].line)}))
        else:
            found[name] = _convert(value, where, line, depth + 1, faults)
    return found
