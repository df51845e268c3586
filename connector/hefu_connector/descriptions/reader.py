"""Strict reading that does not stop at the first mistake: every method reports and returns None, and goes on."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TypeVar

from hefu.canonical import LARGEST_INTEGER
from hefu.errors import Malformed

from hefu_connector.descriptions.document import Form, Node
from hefu_connector.descriptions.faults import Fault
from hefu_connector.descriptions.words import REMEDIES

DECIDE = "DECIDE"
_NEAR = 0.7  # similarity from which a word is taken for a misspelt one
_DECIMAL = re.compile(r"[-+]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][-+]?[0-9]{1,2})?\Z")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*\Z")
T = TypeVar("T")


class Reader:
    """Collects the faults of one file."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.faults: list[Fault] = list(faults)

    def fault(self, node: Node, what: str, remedy: str = "", **parameters: str | int) -> None:
        """Note a mistake at a node."""
        told = {name: str(value) for name, value in parameters.items()}
        self.faults.append(Fault(node.line, node.place, what, remedy, told))

    def members(self, node: Node, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Node]:
        """The known members of a mapping; missing, unknown and misspelt ones are reported."""
        needed = list(required)
        known = [*needed, *optional]
        if node.form is not Form.MAPPING:
            if self._decided(node):
                self.fault(node, "product.mapping", "", keys=", ".join(known))
            return {}
        for name, member in node.members.items():
            if name not in known:
                near = difflib.get_close_matches(name, known, 1, _NEAR)
                if near:
                    self.fault(member, "product.misspelt", "", key=name, near=near[0])
                    needed = [each for each in needed if each != near[0]]
                else:
                    self.fault(member, "product.unknown", "", key=name, known=", ".join(known))
        for name in needed:
            if name not in node.members:
                self.fault(
                    node, "product.missing", name if name in REMEDIES else "", key=name, inside=node.place or "file"
                )
        return {name: member for name, member in node.members.items() if name in known}

    def items(self, node: Node | None, least: int = 0) -> list[Node] | None:
        """The items of a list."""
        if node is None or not self._decided(node):
            return None
        if node.form is not Form.LIST or len(node.items) < least:
            self.fault(node, "product.list", _key(node))
            return None
        return list(node.items)

    def text(self, node: Node | None, longest: int = 200) -> str | None:
        """A text; numbers and flags written without quotes are texts too where a text is wanted."""
        if node is None or not self._decided(node):
            return None
        if node.form in (Form.MAPPING, Form.LIST, Form.EMPTY) or not 1 <= len(node.text) <= longest:
            self.fault(node, "product.text", _key(node), longest=longest)
            return None
        return node.text

    def texts(self, node: Node | None, least: int = 0) -> tuple[str, ...] | None:
        """A list of texts, none of them twice."""
        items = self.items(node, least)
        if items is None:
            return None
        found: dict[str, Node] = {}
        for each in items:
            text = self.text(each)
            if text in found:
                self.fault(each, "product.twice", "twice", line=found[text].line)
            elif text is not None:
                found[text] = each
        return tuple(found)

    def decimal(self, node: Node | None) -> Decimal | None:
        """A decimal, exactly as written."""
        if node is None or not self._decided(node):
            return None
        if node.form not in (Form.NUMBER, Form.TEXT) or not _DECIMAL.match(node.text):
            self.fault(node, "product.number", _key(node))
            return None
        return Decimal(node.text)

    def integer(self, node: Node | None, least: int, most: int = LARGEST_INTEGER) -> int | None:
        """A whole number in a range."""
        if node is None or not self._decided(node):
            return None
        if node.form is not Form.NUMBER or not node.text.isdecimal() or not least <= int(node.text) <= most:
            self.fault(node, "product.integer", _key(node), least=least, most=most)
            return None
        return int(node.text)

    def flag(self, node: Node | None) -> bool | None:
        """``true`` or ``false``."""
        if node is None or not self._decided(node):
            return None
        if node.form is not Form.FLAG:
            self.fault(node, "product.flag", _key(node))
            return None
        return node.text.lower() == "true"

    def choice(self, node: Node | None, *words: str) -> str | None:
        """One of the given words."""
        if node is None or not self._decided(node):
            return None
        if node.form is Form.TEXT and node.text in words:
            return node.text
        near = difflib.get_close_matches(node.text, words, 1, _NEAR)
        if near:
            self.fault(node, "product.misspelt", "", key=node.text[:40], near=near[0])
        else:
            self.fault(node, "product.choice", "", words=", ".join(words))
        return None

    def languages(self, node: Node | None, longest: int = 4000) -> dict[str, str] | None:
        """A text in one or more languages; a bare text is English unless it has Chinese letters."""
        if node is None or not self._decided(node):
            return None
        if node.form is Form.TEXT and node.text:
            chinese = any("\u4e00" <= letter <= "\u9fff" for letter in node.text)
            return {"zh" if chinese else "en": node.text}
        if node.form is not Form.MAPPING or not node.members or not all(map(_LANGUAGE.match, node.members)):
            self.fault(node, "product.languages", _key(node))
            return None
        texts = {code: self.text(each, longest) for code, each in node.members.items()}
        return {code: text for code, text in texts.items() if text is not None}

    def build(self, node: Node, make: Callable[[], T]) -> T | None:
        """A value of the policies floor; what it refuses is reported at the node."""
        try:
            return make()
        except Malformed as error:
            self.fault(node, error.code, "", **error.parameters)
            return None

    def _decided(self, node: Node) -> bool:
        if node.form is Form.TEXT and node.text == DECIDE:
            self.fault(node, "product.decide", _key(node))
            return False
        return True


def _key(node: Node) -> str:
    """The remedy for a node, by its own key, else by that of the list it stands in."""
    key = re.sub(r"\[\d+\]\Z", "", node.place).rpartition(".")[2]
    return key if key in REMEDIES else ""
