"""An answer as a table: what is withheld stays withheld, decimals stay exact, and what has no guarantee says so."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from hefu_connector.computing.exact import WITHOUT_PRIVACY
from hefu_connector.workbench.answer import Answer, Sealed
from hefu_connector.workbench.frames import Noise
from hefu_policies.budget import PrivacyLoss

SEALED = Sealed("cmp-a", "hospital-a", "agr-a", "prd-a", PrivacyLoss.of_text("0.5"), "stm-a")
NOISED = Answer(
    headings=("<b>ward</b>", "n", "n_low"),
    rows=(("east", "12", "0.25"), ("west", None, None)),
    half_widths=((None, "6", "0.125"), (None, None, None)),
    keys=1,
    noise=(Noise("n", "discrete-laplace", "2", "6"), Noise("n_low", "discrete-laplace", "0.03", "0.125")),
    sources=(SEALED,),
)


def test_a_withheld_cell_has_no_value_no_interval_and_a_mark_in_every_form(tmp_path: Path) -> None:
    assert NOISED.withheld == 2
    assert NOISED.values("n") == (Decimal(12), None)
    assert NOISED.intervals("n_low") == ((Decimal("0.125"), Decimal("0.375")), None)
    arrow = NOISED.to_arrow()
    names = ["<b>ward</b>", "n", "n_low_", "n_high", "n_low", "n_low_low", "n_low_high", "withheld"]
    assert arrow.column_names == names, "a heading of the person's own keeps its name"
    assert arrow.column("n").to_pylist() == [12, None]
    assert arrow.column("n_low").to_pylist() == [Decimal("0.25"), None]
    assert arrow.column("withheld").to_pylist() == [False, True]
    assert NOISED.to_pandas()["n"].isna().tolist() == NOISED.to_polars()["n"].is_null().to_list() == [False, True]
    NOISED.write(tmp_path / "answer.csv")
    assert (tmp_path / "answer.csv").read_text().splitlines()[2] == "west,,,,,,,true"


def test_names_that_strangers_wrote_are_escaped_in_a_notebook() -> None:
    shown = NOISED._repr_html_()
    assert "<b>" not in shown
    assert "&lt;b&gt;ward" in shown
    assert "(withheld)" in shown


def test_what_has_no_guarantee_says_so_wherever_it_is_shown() -> None:
    exact = Answer(
        headings=("n",),
        rows=(("15",),),
        half_widths=(("2",),),
        keys=0,
        noise=(Noise("n", WITHOUT_PRIVACY, "5", "2"),),
        sources=(SEALED,),
    )
    assert not exact.guaranteed
    assert "No differential privacy guarantee" in repr(exact)
    assert "No differential privacy guarantee" in exact._repr_html_()
    metadata = exact.to_arrow().schema.metadata
    assert metadata[b"hefu.guarantee"] == b"no differential privacy guarantee"
    assert b"hefu.confidence" not in metadata
    assert NOISED.guaranteed
    assert NOISED.to_pandas().attrs["hefu.guarantee"] == "differential privacy"


def test_numbers_larger_than_a_double_or_an_int64_are_kept_digit_by_digit() -> None:
    large = str(10**25 + 1)
    fine = "1234567890123456789012345678.123456789012345678901"
    made = Answer(("a", "b"), ((large, fine),), ((None, None),), 0, (), (SEALED,))
    table = made.to_arrow()
    assert table.column("a").to_pylist() == [Decimal(large)]
    assert table.column("b").to_pylist() == [Decimal(fine)]
