"""What ``hefu policy`` is asked about: a policy in a file, a template of the library, a contract, a product file.

Files are JSON or YAML. Nothing here needs a running connector but the id of a contract.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hefu.canonical import Json, Object
from hefu.errors import Malformed, NotFound

from hefu_connector.commands.link import call, control

if TYPE_CHECKING:
    from hefu.envelope import Statement
    from hefu_policies.deciding.policy import Policy

    from hefu_connector.descriptions.document import Node

LARGEST_FILE = 1 << 20  # bytes
DEEPEST = 40
UNVERIFIED = (
    "\nSignatures are not checked here; hefu verify and the running connector do that.",
    "\n此处未校验签名；请以 hefu verify 或运行中的连接器校验。",
)


@dataclass(frozen=True, slots=True)
class Paper:
    """One policy and what it is called.

    Attributes:
        body: its JSON.
        template: the template it was made from, with its parameters; empty where it was written by hand.
        unverified: whether it stands in an agreement whose signatures nobody checked here.
        named: target and assigner that an offer in another form named; ours says them where it is published.
    """

    name: str
    body: Object
    template: str = ""
    parameters: Object | None = None
    unverified: bool = False
    named: Mapping[str, str] = field(default_factory=dict)

    @property
    def policy(self) -> Policy:
        """The typed policy; raises Malformed with the place and what to write instead."""
        from hefu_policies import odrl

        return odrl.load(self.body)


def add_source(parser: argparse.ArgumentParser, name: str = "policy") -> None:
    """The argument that says which policy is meant."""
    parser.add_argument(
        name, help="a file (policy, product or agreement, JSON or YAML), a template's name, or a contract (agr-…)"
    )


def add_values(parser: argparse.ArgumentParser) -> None:
    """Values of a template's parameters."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="values",
        help="a parameter of the template (a list with commas); see hefu policy templates NAME",
    )  # fmt: skip


def papers(arguments: argparse.Namespace, source: str) -> list[Paper]:
    """Every policy that a source holds: one, or one an offer or strategy.

    Raises:
        Malformed: there is no such file, template or contract, or it holds no policy.
    """
    from hefu_policies import library

    if source in library.TEMPLATES:
        return [_from_template(source, getattr(arguments, "values", []))]
    if source.startswith(("agr-", "neg-", "agreements/", "negotiations/")):
        return _of_agreement(agreement(arguments, source).body, source, unverified=False)
    path = Path(source)
    if not _exists(path):
        raise NotFound("policy.source", name=source[:80], known=", ".join(library.TEMPLATES))
    return _of_file(path)


def document(path: Path) -> Json:
    """The JSON of a file, which may be YAML; numbers with a point stay the text that was written.

    Raises:
        Malformed: it cannot be read, or is neither.
    """
    text = _read(path)
    if text.lstrip().startswith(("{", "[")):
        return _json(text, path)
    from hefu_connector.descriptions.document import parse

    root, faults = parse(text)
    if root is None or faults:
        first = faults[0] if faults else None
        raise Malformed("command.file", path=str(path), why=f"line {first.line if first else 1}: not plain YAML")
    return plain(root)


def plain(node: Node) -> Json:
    """A YAML value as JSON: whole numbers as such, other numbers as the text that was written."""
    from hefu_connector.descriptions.document import Form

    match node.form:
        case Form.MAPPING:
            return {name: plain(each) for name, each in node.members.items()}
        case Form.LIST:
            return [plain(each) for each in node.items]
        case Form.EMPTY:
            return None
        case Form.FLAG:
            return node.text.lower() in ("true", "yes", "on")
        case Form.NUMBER if node.text.isdecimal():
            return int(node.text)
        case _:
            return node.text


def agreement(arguments: argparse.Namespace, source: str) -> Statement:
    """A signed agreement: out of a file, or of the running connector.

    Raises:
        Malformed: the file holds none.
        NotFound: the connector has no such agreement.
    """
    from hefu.envelope import Statement

    path = Path(source)
    if path.is_file():
        return Statement.parse(path.read_bytes())
    from hefu.v1 import control_pb2

    from hefu_connector.workbench.link import contract_name

    with control(arguments) as stub:
        found = call(stub.GetContract, control_pb2.GetContractRequest(name=contract_name(source)))
    if not found.HasField("agreement"):
        raise NotFound("command.not_in_force", contract=source)
    return Statement.parse(found.agreement.envelope)


def bundled(path: Path, digest: str) -> Statement:
    """The statement of a digest in an evidence bundle; its proofs are for `hefu verify` to judge.

    Raises:
        NotFound: the bundle has none.
    """
    from hefu.envelope import Statement
    from hefu.evidence.bundle import open_bundle

    with open_bundle(path) as bundle:
        for entry in bundle.entries():
            if entry.envelope is not None:
                found = Statement.parse(entry.envelope)
                if found.digest() == digest:
                    return found
    raise NotFound("resource.not_found", what="agreement", name=digest)


def values_of(texts: list[str]) -> dict[str, Json]:
    """``name=value`` pairs.

    Raises:
        Malformed: one has no ``=``.
    """
    found: dict[str, Json] = {}
    for each in texts:
        name, equal, value = each.partition("=")
        if not equal or not name:
            raise Malformed("command.fact", text=each[:60])
        found[name.strip()] = value.strip()
    return found


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that no file can have
        return False


def write_new(path: Path, text: str) -> None:
    """Write a file that must not be there yet.

    Raises:
        Malformed: it is, or cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Malformed("command.exists", path=str(path)) from None
    except OSError as fault:
        raise Malformed("command.file", path=str(path), why=fault.strerror or "not writable") from None


def _from_template(name: str, texts: list[str]) -> Paper:
    from hefu_policies import library

    given: dict[str, Json] = {**library.examples(name)}
    takes = {each.name: each for each in library.find(name).parameters}
    for key, value in values_of(texts).items():
        lists = key in takes and isinstance(library.examples(name).get(key), list)
        given[key] = _listed(str(value)) if lists else _number(value, given.get(key))
    return Paper(name, library.template(name, given), name, given)


def _listed(text: str) -> Json:
    return [each.strip() for each in text.split(",") if each.strip()]


def _number(value: Json, like: Json) -> Json:
    whole = isinstance(like, int) and isinstance(value, str) and value.isascii() and value.isdigit()
    return int(str(value)) if whole else value


def _of_file(path: Path) -> list[Paper]:
    body = document(path)
    if isinstance(body, list):  # expanded JSON-LD
        return _imported(body, path)
    if not isinstance(body, dict):
        raise Malformed("policy.no_policy", path=str(path))
    if "offers" in body:
        return list(_of_product(path))
    return of_object(body, path)


def _imported(body: Json, path: Path) -> list[Paper]:
    """Policies in other forms of JSON-LD, brought into ours; needs the extra ``connector`` or ``audit``."""
    from hefu_policies.odrl import jsonld

    found = jsonld.read(body, path.name)
    numbers = [f" ({index + 1})" if len(found) > 1 else "" for index in range(len(found))]
    return [
        Paper(path.name + number, each.policy, named=each.said_of_offer)
        for number, each in zip(numbers, found, strict=True)
    ]


def of_object(body: Object, path: Path) -> list[Paper]:
    """The policies in a JSON object: a policy, a template with its parameters, an agreement, signed or not.

    Raises:
        Malformed: it is none of these.
    """
    from hefu_policies import library
    from hefu_policies.words.terms import CONTEXTS

    if isinstance(body.get("template"), str):
        given = body.get("parameters")
        name = str(body["template"])
        parameters = given if isinstance(given, dict) else {}
        return [Paper(path.name, library.template(name, parameters), name, parameters)]
    if "strategies" in body:
        return _of_agreement(body, path.name)
    if "payload" in body and "signatures" in body:
        from hefu.envelope import Statement

        return _of_agreement(Statement.parse(path.read_bytes()).body, path.name)
    if body.get("@context") == [*CONTEXTS]:
        return [Paper(path.name, body)]
    if "@context" in body or "@type" in body:
        return _imported(body, path)
    raise Malformed("policy.no_policy", path=str(path))


def _of_agreement(body: Object, name: str, *, unverified: bool = True) -> list[Paper]:
    from hefu_policies.agreeing.agreement import Agreement

    found = Agreement.of(body)
    return [Paper(f"{found.id}/{each.id}", each.policy, unverified=unverified) for each in found.strategies] or _none(
        name
    )


def _of_product(path: Path) -> Iterator[Paper]:
    from hefu_connector.descriptions.check import check
    from hefu_connector.descriptions.faults import refuse

    checked = check(_read(path), None)
    refuse(checked.faults, str(path), "en")
    for offer in checked.description.offers if checked.description is not None else ():
        made = offer.template
        parameters = dict(made.parameters) if made is not None else None
        yield Paper(offer.id, offer.policy, made.name if made is not None else "", parameters)


def _none(name: str) -> list[Paper]:
    raise Malformed("policy.no_policy", path=name)


def _json(text: str, path: Path) -> Json:
    """JSON that people wrote: indented, but with the same strictness about names and numbers."""
    try:
        body: Json = json.loads(text, object_pairs_hook=_once, parse_float=str, parse_constant=str)
    except RecursionError:
        raise Malformed("command.file", path=str(path), why="nested too deeply") from None
    except ValueError as fault:
        where = f"line {fault.lineno}" if isinstance(fault, json.JSONDecodeError) else "a name stands twice"
        raise Malformed("command.file", path=str(path), why=f"not JSON: {where}") from None
    if _depth(body) > DEEPEST:
        raise Malformed("command.file", path=str(path), why="nested too deeply")
    return body


def _depth(body: Json) -> int:
    """How deep lists and objects stand in each other, without going deep."""
    deep, level = 0, [body]
    while level:
        deep += 1
        level = [one for each in level for one in _below(each)]
    return deep


def _below(body: Json) -> list[Json]:
    if isinstance(body, dict):
        return [*body.values()]
    return body if isinstance(body, list) else []


def _once(pairs: list[tuple[str, Json]]) -> Object:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise Malformed("command.file", path=str(path), why=f"more than {LARGEST_FILE} bytes")
        return path.read_text("utf-8")
    except OSError as fault:
        raise Malformed("command.file", path=str(path), why=fault.strerror or "not readable") from None
    except UnicodeDecodeError:
        raise Malformed("command.file", path=str(path), why="not UTF-8") from None
