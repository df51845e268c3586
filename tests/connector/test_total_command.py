"""What a total comes to with factors of whoever asked, and how a command shows it."""

from __future__ import annotations

import argparse
from decimal import Decimal
from pathlib import Path

import pytest
from hefu.errors import Malformed
from hefu.terminal.commands import Output
from hefu_connector.commands import total as command
from hefu_connector.workbench.answer import Answer, Sealed
from hefu_connector.workbench.frames import Noise
from hefu_connector.workbench.totals import read_factors, weighed
from hefu_policies.budget import PrivacyLoss

FACTORS = {"coal": Decimal("0.8"), "wind": Decimal("-0.1")}


def answer(*rows: tuple[str, str]) -> Answer:
    return Answer(
        ("class", "kwh"), rows or (("coal", "1000"), ("wind", "-20")), ((None, "30"), (None, "40")), 1,
        (Noise("kwh", "distributed-discrete-gaussian", "15", "30"),),
        (Sealed("cmp-a", "grid-a", "agr-a", "prd-a", PrivacyLoss.of_rho("0.2"), "stm-a"),),
    )  # fmt: skip


def test_groups_are_multiplied_and_their_independent_noises_added_as_squares() -> None:
    found = weighed(answer(), FACTORS)
    assert [each[3:] for each in found.rows] == [(Decimal("800.0"), Decimal(24)), (Decimal("2.0"), Decimal(4))]
    assert found.total == 802
    assert found.half_width**2 >= 24**2 + 4**2  # rounded up, never narrower
    assert found.half_width - Decimal("24.331051") <= Decimal("0.000001")


def test_a_group_without_factor_or_an_answer_of_another_shape_is_refused() -> None:
    with pytest.raises(Malformed):
        weighed(answer(), {"coal": Decimal(1)})
    two = Answer(("class", "n", "kwh"), (), (), 1, (), ())
    with pytest.raises(Malformed):
        weighed(two, FACTORS)


def test_factors_are_read_strictly_and_the_wrong_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "factors.csv"
    path.write_text("class,kg\ncoal,0.8\nwind,-0.1\n")
    assert read_factors(path) == FACTORS
    for text, line in (
        ("coal,0.8\nwind,much\n", "2"),
        ("coal,1\ncoal,2\n", "2"),
        ("a,b\ncoal,NaN\n", "2"),
        ("coal\n\n", "2"),
    ):
        path.write_text(text)
        with pytest.raises(Malformed) as caught:
            read_factors(path)
        assert caught.value.parameters["line"] == line
    with pytest.raises(Malformed):
        read_factors(tmp_path / "none.csv")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_shows_each_number_with_its_error_and_who_charged_what(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setenv("HEFU_LANG", language)
    output = Output.of(argparse.Namespace(json=False, lang=language))
    command._page(output, answer(), weighed(answer(), FACTORS))
    said = capsys.readouterr().out
    for word in ("1000 ± 30", "802", "grid-a", "stm-a", "0.8"):
        assert word in said
    assert ("Nobody saw" in said) is (language == "en")
