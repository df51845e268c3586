"""Write the pages that are generated from code, or check that they are what the code says.

``python docs/generate.py`` writes; ``python docs/generate.py --check`` compares and fails on a difference.
"""

from __future__ import annotations

import argparse
import re
import runpy
import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

from hefu import messages
from hefu.checking import events
from hefu.running import telemetry

HERE = Path(__file__).resolve().parent
PROTOS = HERE.parent / "proto/hefu/v1"
BUNDLED = "../policies/hefu_policies/odrl/bundled"
LIES = HERE.parent / "tests/attacks/byzantine_table.py"
_BEGINS, _ENDS = "<!-- generated from tests/attacks/byzantine_table.py by make docs -->", "<!-- end -->"
QUESTIONS_PROSE = (HERE / "questions.in.md").read_text("utf-8")
_SERVICE = re.compile(r"^service (\w+) \{")
_RPC = re.compile(r"^\s+rpc (\w+)\((stream )?(\w+)\) returns \((stream )?(\w+)\)")
_COMMENT = re.compile(r"^\s*// ?(.*)")


@dataclass(frozen=True, slots=True)
class Call:
    """One RPC as its .proto file has it; ``comment`` is empty where nobody wrote one."""

    service: str
    name: str
    request: str
    response: str
    comment: str


def calls(text: str) -> Iterator[Call]:
    """The RPCs of one .proto file, in order, each with the comment above it."""
    service, comment = "", []
    for line in text.splitlines():
        if found := _COMMENT.match(line):
            comment.append(found[1])
            continue
        if found := _SERVICE.match(line):
            service = found[1]
        elif found := _RPC.match(line):
            yield Call(service, found[1], (found[2] or "") + found[3], (found[4] or "") + found[5], " ".join(comment))
        comment = []


def errors_page() -> str:
    """Every error code with its sentences, by room."""
    tables = {name.strip("_").lower(): table for name, table in vars(messages).items() if _is_table(name, table)}
    intro = "Generated from `proto/hefu/messages.py` by `make docs`. `{braces}` stand for parameters."
    lines = ["# Errors", "", intro, ""]
    for room, table in tables.items():
        lines += [f"## {room}", "", "| code | English | 中文 |", "|---|---|---|"]
        lines += [f"| `{code}` | {_cell(text['en'])} | {_cell(text['zh'])} |" for code, text in sorted(table.items())]
        lines.append("")
    return "\n".join(lines)


def rpc_page() -> str:
    """Every RPC, by file and service."""
    lines = ["# Calls", "", "Generated from `proto/hefu/v1/*.proto` by `make docs`.", ""]
    service = ""
    for path in sorted(PROTOS.glob("*.proto")):
        for call in calls(path.read_text("utf-8")):
            if call.service != service:
                service = call.service
                lines += ["", f"## {service} (`{path.name}`)", ""]
                lines += ["| call | takes | returns | what it does |", "|---|---|---|---|"]
            lines.append(f"| `{call.name}` | `{call.request}` | `{call.response}` | {_cell(call.comment)} |")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def settings_page() -> str:
    """Every setting of broker and connector, from their docstrings."""
    from hefu_broker.settings import Settings as Broker
    from hefu_connector.settings import Settings as Connector

    lines = ["# Settings", "", "Generated from the docstrings of `Settings` by `make docs`.", ""]
    for file, kind in (("broker.json", Broker), ("connector.json", Connector)):
        lines += [f"## `{file}`", "", "| setting | type | default | what it does |", "|---|---|---|---|"]
        told = _attributes(kind.__doc__ or "", {each.name for each in fields(kind)})
        for each in fields(kind):
            default = (
                "" if each.default is MISSING else f"`{each.default!r}`".replace("'", '"').replace('`""`', "empty")
            )
            default = default.replace("True", "true").replace("False", "false")
            lines.append(f"| `{each.name}` | {each.type} | {default} | {_cell(told[each.name])} |")
        lines.append("")
    return "\n".join(lines)


def metrics_page() -> str:
    """Every measure and step that servers tell their operator."""
    lines = ["# Metrics and steps", "", "Generated from `proto/hefu/running/telemetry.py` by `make docs`.", ""]
    lines += ["## `/metrics`", "", "| name | kind | labels | what it is |", "|---|---|---|---|"]
    for name, each in sorted(telemetry.MEASURES.items()):
        lines.append(f"| `{name}` | {each.kind} | {', '.join(each.labels)} | {_cell(each.help)} |")
    lines += ["", "## Steps: spans of traces, and the label of `hefu_step_seconds`", ""]
    lines += ["| step | what happens |", "|---|---|"]
    lines += [f"| `{name}` | {_cell(text)} |" for name, text in telemetry.STEPS.items()]
    told = ", ".join(f"`hefu.{each}`" for each in sorted(telemetry.ATTRIBUTES))
    return "\n".join([*lines, "", f"Attributes of spans, and no others: {told}.", ""])


def audit_page() -> str:
    """The page on the audit log, with the lies that a broker could tell and who finds each by which check."""
    text, table = (HERE / "audit.md").read_text("utf-8"), runpy.run_path(str(LIES))["TABLE"]
    lines = ["| the broker | found by | check | when |", "|---|---|---|---|"]
    lines += [f"| **{each.name}**: {each.does} | {each.who} | `{each.check}` | {each.delay} |" for each in table]
    before, begins, rest = text.partition(_BEGINS)
    _, ends, after = rest.partition(_ENDS)
    return "\n".join([before + begins, *lines, ends + after])


def policies_page() -> str:
    """What a policy may say and what it means."""
    from hefu_policies.pages import guide

    return guide.page()


def query_page() -> str:
    """What may be asked, what it means, and what bounds it."""
    from hefu_connector.engines import query_reference

    return query_reference.page()


def questions_page() -> str:
    """Every question of an auditor, from their table, between words of its own."""
    from hefu_audit.questions.table import QUESTIONS

    lines = ["| no. | command | asks | 问 |", "|---|---|---|---|"]
    for each in QUESTIONS:
        given = " ".join(
            each_.name if not each_.name.startswith("-") else f"[{each_.name}]" for each_ in each.parameters
        )
        words = f"hefu audit {each.name} {given}".strip() if each.answer else f"hefu audit {each.name} FILE"
        lines.append(f"| {each.number} | `{words}` | {_cell(each.asks)} | {_cell(each.asks_zh)} |")
    return QUESTIONS_PROSE.replace("{table}", "\n".join(lines))


def _published(name: str) -> Callable[[], str]:
    """What an IRI of the policy profile stands for, by the name of its function."""

    def text() -> str:
        from hefu_policies.odrl import published

        made: str = getattr(published, name)()
        return made

    return text


def _attributes(text: str, names: set[str]) -> dict[str, str]:
    """The part "Attributes:" of a docstring, by name."""
    found: dict[str, str] = {}
    name = ""
    for line in text.partition("Attributes:")[2].splitlines():
        said = line.strip()
        if begins := re.match(r"^ {8}(\w+): (.*)", line):
            name, said = begins[1], ""
            # Two names may share a line: "participant: …; connector: …".
            for part in f"{begins[1]}: {begins[2]}".split("; "):
                first, colon, told = part.partition(": ")
                if colon and first in names:
                    name, found[first] = first, told
                else:
                    found[name] += f"; {part}"
        if said and name:
            found[name] += f" {said}"
    return {each: told.replace("``", "`") for each, told in found.items()}


def _is_table(name: str, table: object) -> bool:
    return name.startswith("_") and name.isupper() and isinstance(table, dict) and bool(table)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


PAGES = {
    "audit.md": audit_page,
    "errors.md": errors_page,
    "events.md": events.page,
    "rpc.md": rpc_page,
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "policies.md": policies_page,
    "query-language.md": query_page,
    "questions.md": questions_page,
    f"{BUNDLED}/context.jsonld": _published("context"),
    f"{BUNDLED}/profile.ttl": _published("vocabulary"),
    f"{BUNDLED}/schema.json": _published("schema"),
}


def stale() -> list[str]:
    """Names of pages that differ from what the code says."""
    return [
        name for name, page in PAGES.items() if not (HERE / name).exists() or (HERE / name).read_text("utf-8") != page()
    ]


def main() -> int:
    """Generate, or with ``--check`` compare with what is committed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is not up to date")
    if parser.parse_args().check:
        old = stale()
        print("\n".join(f"stale: docs/{name}; run make docs" for name in old) or f"{len(PAGES)} pages up to date")  # noqa: T201
        return 1 if old else 0
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), "utf-8")
    print(f"{len(PAGES)} pages written")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
