"""``hefu policy convert``: every template goes to plain ODRL and comes back the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hefu.__main__ import main
from hefu_policies.library import TEMPLATES


def _run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str]:
    code = main(["policy", "convert", *map(str, words)])
    told = capsys.readouterr()
    return code, told.out or told.err


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_goes_to_plain_odrl_and_comes_back(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    path = tmp_path / "plain.json"
    assert _run(capsys, name, "--to", "odrl", "-o", path)[0] == 0
    code, back = _run(capsys, path)
    assert code == 0
    assert _sorted(json.loads(back)) == _sorted(json.loads(_run(capsys, name)[1]))


def test_what_cannot_be_carried_over_is_refused_with_its_place(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "plain.json"
    _run(capsys, "open-statistics", "--to", "odrl", "-o", path)
    body = json.loads(path.read_text("utf-8"))
    body["permission"][0]["note"] = "for friends"
    path.write_text(json.dumps(body), "utf-8")
    code, said = _run(capsys, path, "--lang", "zh")
    assert code == 2
    assert "note" in said
    assert "不得丢失" in said or "请删除" in said


def test_what_an_offer_names_besides_is_kept_or_said_to_be_left_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path, again = tmp_path / "plain.json", tmp_path / "again.json"
    _run(capsys, "open-statistics", "--to", "odrl", "-o", path)
    named = {"target": "urn:hefu:product:prd-visits", "assigner": "urn:hefu:participant:hospital-a"}
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | named), "utf-8")
    assert main(["policy", "convert", str(path)]) == 0
    told = capsys.readouterr()
    assert "target" not in json.loads(told.out)
    assert all(each in told.err for each in named.values())
    assert json.loads(_run(capsys, path, "--json")[1])["left_out"] == [named]
    assert _run(capsys, path, "--to", "odrl", "-o", again)[0] == 0
    assert json.loads(again.read_text("utf-8")).items() >= named.items()


def _sorted(value: Any) -> Any:
    """Constraints side by side in one order: refinements of duties come after their conditions."""
    if isinstance(value, list):
        return [_sorted(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {name: _sorted(item) for name, item in value.items()}
    if "constraint" in found:
        found["constraint"].sort(key=lambda each: json.dumps(each, sort_keys=True))
    return found
