"""``hefu policy convert``: a policy in another form of ODRL; whatever it is read from, the same is meant."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hefu.terminal.commands import Output

from hefu_connector.commands.link import command
from hefu_connector.commands.papers import Paper, add_source, add_values, papers, write_new


def add(group: Any) -> None:
    """Add the subcommand."""
    one = command(group, "convert", "write a policy in the profile's form or in plain ODRL 2.2", _convert)
    add_source(one)
    add_values(one)
    one.add_argument(
        "--to", choices=("hefu", "odrl"), default="hefu",
        help="hefu: the form that is signed and sent, also in the Dataspace Protocol; odrl: the W3C's own JSON-LD",
    )  # fmt: skip
    one.add_argument("--output", "-o", type=Path, metavar="FILE", help="a new file for it; else it is printed")


def _convert(arguments: argparse.Namespace) -> int:
    output = Output.of(arguments)
    found = papers(arguments, arguments.policy)
    made = [_in_form(each, arguments.to) for each in found]
    left_out = [{} if arguments.to == "odrl" else dict(each.named) for each in found]
    output.data({"policies": made, "left_out": left_out})
    for each, left in zip(found, left_out, strict=True):
        _tell_left_out(output, each, left)
    text = json.dumps(made[0] if len(made) == 1 else made, ensure_ascii=False, indent=2)
    if arguments.output is None:
        output.say(text)
        return 0
    write_new(arguments.output, text + "\n")
    output.say(f"Wrote {arguments.output}.", f"已写入 {arguments.output}。")
    return 0


def _in_form(paper: Paper, form: str) -> dict[str, Any]:
    from hefu_policies import odrl
    from hefu_policies.odrl import plain

    return {**plain.plain(paper.policy), **paper.named} if form == "odrl" else odrl.dump(paper.policy)


def _tell_left_out(output: Output, paper: Paper, left: Mapping[str, str]) -> None:
    """On standard error, so that it is never mixed into the policy."""
    if left and not output.as_json:
        said = ", ".join(f"{name} {value}" for name, value in left.items())
        output.progress(
            f"{paper.name}: an offer does not say {said}; the product it is published with and its provider's "
            "signature do. Use --to odrl to keep it.",
            f"{paper.name}：本形式的报价不写 {said}；由其所发布的产品及提供方签名说明。如需保留，请用 --to odrl。",
        )
