"""``hefu policy``: what it says of files, templates and cases; no connector runs here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hefu.__main__ import main
from hefu_policies.library import TEMPLATES, examples, template

from tests.connector.test_product_check import GOOD

CASES = """
policy: research.json
facts:
  purpose: dpv:ScientificResearch
  epsilonBudget: 1
  minGroup: 20
  column: [age]
  outputKind: Histogram
  dateTime: 2027-01-01T00:00:00Z
  count: 1
cases:
  - name: a scientist within the limits
    ask: hefu:dpQuery
    facts: {epsilon: 0.5}
    expect: permit
  - name: too much at once
    ask: hefu:dpQuery
    facts: {epsilon: 0.6}
    expect: EXPECTED
    because: [urn:c:epsilon]
"""

RESEARCH = GOOD[GOOD.index("      template:") : GOOD.index("    budget: {epsilon: 2.5")]
TRIAL = "      template: data-trial\n      lasting: P7D\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    offer = template("research-statistics", examples("research-statistics"))
    (tmp_path / "research.json").write_text(json.dumps(offer, indent=2), "utf-8")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = main(["policy", *map(str, words)])
    told = capsys.readouterr()
    return code, told.out, told.err


def document(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, Any]:
    code, out, err = run(capsys, *words, "--json")
    return code, json.loads(out or err)


def test_all_templates_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = document(capsys, "templates")
    assert code == 0
    assert [each["name"] for each in found["templates"]] == [*TEMPLATES]


def test_what_this_version_cannot_carry_out_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "explain", "federated-training", "--lang", "en")[1]["policies"][0]
    assert found["not_carried_out"] == ["train a model in a federation"]
    assert document(capsys, "explain", "office-hours")[1]["policies"][0]["not_carried_out"] == []
    assert "does not carry out yet" in run(capsys, "explain", "federated-training", "--lang", "en")[1]


def test_a_template_is_written_with_its_parameters_and_explained(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "offer.json"
    words = ("templates", "credit-scoring", "--set", "columns=age_band,region", "--set", "count=7", "-o", path)
    assert run(capsys, *words)[0] == 0
    code, out, _ = run(capsys, "explain", path, "--lang", "en")
    assert code == 0
    assert "age_band, region" in out
    assert "computations in all, this one included, are at most 7" in out
    assert run(capsys, *words)[0] == 2, "what is there already is never overwritten"


@pytest.mark.parametrize(("language", "said"), [("en", "What is permitted"), ("zh", "许可")])
def test_a_policy_is_explained_in_both_languages(
    capsys: pytest.CaptureFixture[str], folder: Path, language: str, said: str
) -> None:
    code, out, _ = run(capsys, "explain", folder / "research.json", "--lang", language)
    assert code == 0
    assert said in out


def test_a_file_with_a_template_and_parameters_is_a_policy(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "made.yaml"
    path.write_text("template: data-trial\nparameters: {budget: 1, count: 3}\n", "utf-8")
    code, found = document(capsys, "explain", path)
    assert code == 0
    assert found["policies"][0]["sections"]


def test_an_innocent_policy_passes_and_a_careless_one_does_not(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    assert document(capsys, "check", folder / "research.json")[0] == 0
    offer: Any = template("research-statistics", examples("research-statistics"))
    rule = offer["permission"][0]
    rule["constraint"] = [each for each in rule["constraint"] if each["@id"] != "urn:c:epsilon"]
    (folder / "careless.json").write_text(json.dumps(offer), "utf-8")
    code, found = document(capsys, "check", folder / "careless.json", "--strict")
    assert code == 1
    assert any("cap" in line for line in found["policies"][0]["warnings"])


def test_clauses_that_clash_are_faults(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    offer: Any = template("research-statistics", examples("research-statistics"))
    offer["prohibition"].append({"@id": "urn:no:all", "action": "hefu:compute"})
    (folder / "clash.json").write_text(json.dumps(offer), "utf-8")
    code, found = document(capsys, "check", folder / "clash.json")
    assert code == 1
    assert any("urn:no:all" in line for line in found["policies"][0]["faults"])


def test_a_policy_that_does_not_load_says_where_and_what_to_write(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    offer: Any = template("research-statistics", examples("research-statistics"))
    offer["permission"][0]["action"] = "odrl:use"
    (folder / "use.json").write_text(json.dumps(offer), "utf-8")
    code, found = document(capsys, "check", folder / "use.json")
    assert code == 1
    assert "hefu:dpQuery" in found["policies"][0]["faults"][0]


@pytest.mark.parametrize(("expected", "code"), [("refuse", 0), ("permit", 1)])
def test_cases_stand_next_to_their_policy(
    capsys: pytest.CaptureFixture[str], folder: Path, expected: str, code: int
) -> None:
    (folder / "cases.yaml").write_text(CASES.replace("EXPECTED", expected), "utf-8")
    found = document(capsys, "test", folder / "cases.yaml")
    assert found[0] == code
    assert [each["ok"] for each in found[1]["cases"]] == [True, code == 0]


def test_what_would_be_permitted_is_told_with_the_least_changes(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    words = ("can", folder / "research.json", "hefu:dpQuery", "epsilon=0.9", "column=age,name")
    code, found = document(capsys, *words)
    assert code == 1
    (answer,) = found["answers"]
    assert answer["nearest"]["changed"] == {"epsilon": "0.5", "column": "age"}
    code, out, _ = run(capsys, "can", folder / "research.json", "hefu:dpQuery", "epsilon=0.5")
    assert code == 0
    assert "provided that" in out


def test_two_policies_differ_by_a_request(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    same = document(capsys, "diff", folder / "research.json", "research-statistics")
    assert (same[0], same[1]["same"]) == (0, True)
    code, found = document(capsys, "diff", "open-statistics", "research-statistics")
    assert code == 1
    assert {each["refused_by"] for each in found["differences"]} >= {"research-statistics"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("explain", "no-such-thing"), "policy.source"),
        (("explain", "x" * 5000), "policy.source"),
        (("explain", "/"), "command.file"),
        (("can", "open-statistics", "hefu:guess"), "policy.unknown"),
        (("can", "open-statistics", "hefu:dpQuery", "epsilon"), "command.fact"),
        (("can", "open-statistics", "hefu:dpQuery", "mood=good"), "policy.unknown"),
        (("templates", "no-such-thing"), "template.unknown"),
        (("templates", "open-statistics", "--set", "epsilon=much"), "template.parameter_wrong"),
    ],
)
def test_wrong_use_is_answered_with_what_to_write(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    code, found = document(capsys, *words)
    assert code in (1, 2)
    assert found["error"] == said


DEEP = "[" * 100_000 + "]" * 100_000
NESTED = '{"a":' * 60 + "1" + "}" * 60


@pytest.mark.parametrize(
    "text", [DEEP, NESTED, "[1, 2]", "{", '{"a": 1, "a": 2}', "&x a: 1", "offers: []"], ids=lambda each: each[:12]
)
def test_a_file_that_is_no_policy_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(text, "utf-8")
    assert run(capsys, "explain", path)[0] == 2


def test_policies_in_other_forms_of_odrl_are_understood(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    from hefu_policies import odrl
    from hefu_policies.odrl import plain

    policy = odrl.load(template("emergency-use", examples("emergency-use")))
    (folder / "plain.json").write_text(json.dumps(plain.plain(policy)), "utf-8")
    code, found = document(capsys, "diff", folder / "plain.json", "emergency-use")
    assert (code, found["same"]) == (0, True)


def test_what_must_be_done_is_a_difference_too(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    offer: Any = template("paid-per-query", examples("paid-per-query"))
    offer["permission"][0]["duty"] = [each for each in offer["permission"][0]["duty"] if each["@id"] != "urn:d:pay"]
    (folder / "free.json").write_text(json.dumps(offer), "utf-8")
    code, out, _ = run(capsys, "diff", folder / "free.json", "paid-per-query", "--lang", "en")
    assert code == 1
    assert "only paid-per-query demands to pay 2.5 CNY" in out


def test_a_product_file_is_told_what_its_offers_will_not_do(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "product.yaml").write_text(GOOD.replace(RESEARCH, TRIAL), "utf-8")
    assert main(["product", "check", str(tmp_path / "product.yaml"), "--dir", str(tmp_path), "--json"]) == 0
    (remarks,) = json.loads(capsys.readouterr().out)["remarks"].values()
    assert any("synthetic sample" in line and "not carry" in line for line in remarks["warnings"])
    assert remarks["notes"]
    assert document(capsys, "explain", tmp_path / "product.yaml")[0] == 0


def test_the_page_for_authors_does_what_it_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs/writing-policies.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    blocks = dict(re.findall(r"^```(\w+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[::-1])
    write, ask = [block.split()[2:] for block in re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)]
    assert run(capsys, *write)[0] == 0
    code, out, _ = run(capsys, *ask, "--lang", "en")
    assert code == 1
    assert "0.9 → 0.2" in out
    (tmp_path / "cases.yaml").write_text(blocks["yaml"], "utf-8")
    assert run(capsys, "test", "cases.yaml")[0] == 0
    assert run(capsys, "diff", "research.json", "research-statistics", "--lang", "en")[0] == 1
