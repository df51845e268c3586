"""``hefu policy``: templates, any policy in plain words, what to look at again; no connector needs to run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hefu.errors import Malformed
from hefu.terminal.commands import Cell, Output

from hefu_connector.commands import forms, trials
from hefu_connector.commands.link import command, commands
from hefu_connector.commands.papers import UNVERIFIED, Paper, add_source, add_values, papers, write_new
from hefu_connector.commands.remarks import Remarks, not_carried_out, remarks
from hefu_connector.commands.show import headings, word

if TYPE_CHECKING:
    from hefu_policies.library import Template
    from hefu_policies.library.parameters import Parameter


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    group = commands(parser)
    one = command(
        group, "templates", "list the ready-made policies; with a name, its parameters and its JSON", _templates
    )
    one.add_argument("name", nargs="?", default="", help="a template")
    add_values(one)
    one.add_argument("--output", "-o", type=Path, metavar="FILE", help="write the policy's JSON to a new file")
    one = command(group, "explain", "say in plain words what a policy permits, forbids and demands", _explain)
    add_source(one)
    add_values(one)
    one = command(group, "check", "find clauses that clash, and what is well formed but careless", _check)
    add_source(one)
    add_values(one)
    one.add_argument("--strict", action="store_true", help="exit with 1 for warnings too")
    forms.add(group)
    trials.add(group)


def _templates(arguments: argparse.Namespace) -> int:
    from hefu_policies import library

    output = Output.of(arguments)
    if arguments.name:
        return _one_template(output, arguments)
    found = library.TEMPLATES.values()
    output.data({"templates": [_template_document(each) for each in found]})
    heads = headings(output, ("template", "模板"), ("what it is", "说明"), ("not carried out yet", "尚不能执行"))
    output.table(heads, [(each.name, word(output, each.en, each.zh), _lacking(each, output)) for each in found])
    output.say("\nRead one in plain words: hefu policy explain NAME", "\n查看通俗说明：hefu policy explain 模板名")
    return 0


def _lacking(found: Template, output: Output) -> str:
    """What a template permits and this version cannot carry out yet."""
    from hefu_policies import library, odrl

    policy = odrl.load(library.template(found.name, library.examples(found.name)))
    return word(output, ", ", "、").join(not_carried_out(policy, output))


def _one_template(output: Output, arguments: argparse.Namespace) -> int:
    from hefu_policies import library

    found = library.find(arguments.name)
    paper = papers(arguments, arguments.name)[0]
    output.data({**_template_document(found), "policy": paper.body})
    output.say(f"{found.name}: {found.en}", f"{found.name}：{found.zh}")
    heads = headings(
        output, ("parameter", "参数"), ("what it is", "含义"), ("what to write", "写法"), ("default", "默认值")
    )
    rows = [_parameter_row(output, each) for each in found.parameters]
    output.table(heads, rows)
    output.say("\n" + library.describe(found.name, paper.parameters or {}, output.language))
    if arguments.output is None:
        return 0
    write_new(arguments.output, json.dumps(paper.body, ensure_ascii=False, indent=2) + "\n")
    output.say(f"\nWrote {arguments.output}.", f"\n已写入 {arguments.output}。")
    return 0


def _parameter_row(output: Output, one: Parameter) -> tuple[Cell, ...]:
    wanted = word(output, one.expected, one.expected_zh)
    return one.name, word(output, one.en, one.zh), wanted, "" if one.default is None else str(one.default)


def _explain(arguments: argparse.Namespace) -> int:
    from hefu_policies import library
    from hefu_policies.telling import wording

    output = Output.of(arguments)
    found = papers(arguments, arguments.policy)
    output.data({"policies": [_explained(each, output) for each in found]})
    for index, each in enumerate(found):
        policy = each.policy
        output.say(("\n" if index else "") + f"{each.name}  ({policy.id})")
        if each.template:
            output.say("\n" + library.describe(each.template, each.parameters or {}, output.language))
        output.say("\n" + wording.text(policy, output.language))
        if lacking := word(output, ", ", "、").join(not_carried_out(policy, output)):
            output.say(
                f"\nThis version of Hefu does not carry out yet: {lacking}. It can be agreed on, and not asked for.",
                f"\n本版本尚不能执行：{lacking}。可据以签约，但暂不能提出请求。",
            )
        if each.unverified:
            output.say(*UNVERIFIED)
    return 0


def _explained(paper: Paper, output: Output) -> dict[str, Any]:
    from hefu_policies.telling import wording

    policy = paper.policy
    return {
        "name": paper.name,
        "policy": policy.id,
        "template": paper.template or None,
        "unverified": paper.unverified,
        "not_carried_out": not_carried_out(policy, output),
        "sections": [
            {"title": each.title, "lines": list(each.lines)} for each in wording.explain(policy, output.language)
        ],
    }


def _check(arguments: argparse.Namespace) -> int:
    output = Output.of(arguments)
    told = [(each, _remarks(each, output)) for each in papers(arguments, arguments.policy)]
    faults, warnings = sum(len(each.faults) for _, each in told), sum(len(each.warnings) for _, each in told)
    output.data({"ok": not faults, "policies": [{"name": paper.name, **each._asdict()} for paper, each in told]})
    for paper, each in told:
        output.say(paper.name)
        each.tell(output)
    output.say(
        f"\n{faults} faults, {warnings} warnings." if faults or warnings else "\nNothing clashes.",
        f"\n{faults} 处错误，{warnings} 处警告。" if faults or warnings else "\n无冲突。",
    )
    return int(bool(faults or (arguments.strict and warnings)))


def _remarks(paper: Paper, output: Output) -> Remarks:
    """What there is to remark; a policy that does not load has one fault: why."""
    try:
        return remarks(paper.policy, output)
    except Malformed as error:
        return Remarks([error.public(output.language)], [], [])


def _template_document(template: Template) -> dict[str, Any]:
    return {
        "name": template.name,
        "title": {"en": template.en, "zh": template.zh},
        "parameters": [
            {
                "name": each.name, "title": {"en": each.en, "zh": each.zh}, "expected": each.expected,
                "expected_zh": each.expected_zh,
                "default": each.default, "example": each.example,
            }
            for each in template.parameters
        ],
    }  # fmt: skip
