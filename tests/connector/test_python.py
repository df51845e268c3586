"""Python against real connectors: the same answers as the commands give, as tables, with intervals and receipts."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import hefu
import pyarrow
import pyarrow.parquet
import pytest
from hefu.__main__ import main
from hefu.analysis import Answer
from hefu.errors import Conflict, Malformed, NotFound, Refused, Unavailable

from tests.connector.small_space import Space, agree, provide

COUNT = "SELECT region, COUNT(*) AS n FROM data GROUP BY region"
BOTH = "SELECT region, COUNT(*) AS n, AVG(age) AS mean_age FROM data GROUP BY region"
TRUE = {"north": 300, "south": 100}  # of each provider's 400 rows


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    made = Space(tmp_path_factory.mktemp("town")).open()
    try:
        made.member("hospital-a", "provider", quantum_ms=0)
        made.member("hospital-b", "provider", quantum_ms=0)
        made.member("pharma", "consumer")
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def contracts(town: Space) -> list[str]:
    """One contract with each hospital."""
    made = []
    for name in ("hospital-a", "hospital-b"):
        (town.folder / "data" / name).mkdir(parents=True)
        provide(town.connectors[name], town.folder / "data" / name, f"prd-{name}")
        made.append(agree(town.connectors[name], town.connectors["pharma"], f"prd-{name}"))
    return made


@pytest.fixture(scope="module")
def space(town: Space, contracts: list[str]) -> Any:
    return hefu.connect(town.folder / "pharma")


@pytest.fixture(scope="module")
def answer(space: Any) -> Answer:
    found: Answer = space.product("prd-hospital-a").query(COUNT, epsilon=0.5)
    return found


def test_a_product_is_found_and_its_dictionary_says_what_may_be_asked(space: Any) -> None:
    found = {each.id: each for each in space.products("Visits")}
    assert set(found) == {"prd-hospital-a", "prd-hospital-b"}
    columns = {each.name: each for each in found["prd-hospital-a"].dictionary}
    assert (columns["age"].lower, columns["age"].upper, columns["age"].granularity) == (0, 120, 1)
    assert columns["region"].categories == ("north", "south")
    assert "GROUP BY" in columns["region"].asked
    assert "AVG" not in columns["region"].asked
    assert columns["patient"].unit_of_privacy
    frame = found["prd-hospital-a"].dictionary.to_pandas()
    assert set(frame["basis"]) == {"declared"}
    assert found["prd-hospital-a"].guaranteed


def test_an_estimate_tells_cost_and_error_and_charges_nothing(space: Any) -> None:
    product = space.product("prd-hospital-a")
    before = space.contracts(product.id)[0].epsilon_left
    found = product.estimate(COUNT, epsilon="0.5")
    assert (found.epsilon, found.cells) == (Decimal("0.5"), 2)
    assert found.half_width("n") > 0
    assert space.contracts(product.id)[0].epsilon_left == before


def test_an_answer_has_values_intervals_and_a_receipt(answer: Answer) -> None:
    assert answer.headings == ("region", "n")
    for region, value, ends in zip(answer.values("region"), answer.values("n"), answer.intervals("n"), strict=True):
        assert ends is not None
        low, high = ends
        assert low <= value <= high
        # Beyond five half widths Laplace noise is found once in three million cells.
        assert abs(value - TRUE[str(region)]) <= 5 * (high - value)
    assert "receipt" in repr(answer)
    assert "±" in answer._repr_html_()


def test_the_frames_have_the_same_cells(answer: Answer) -> None:
    arrow, pandas, polars = answer.to_arrow(), answer.to_pandas(), answer.to_polars()
    names = ["region", "n", "n_low", "n_high", "withheld"]
    assert arrow.column_names == list(pandas.columns) == polars.columns == names
    exact = [int(each) for each in answer.values("n") if each is not None]
    assert arrow.column("n").to_pylist() == pandas["n"].tolist() == polars["n"].to_list() == exact
    assert arrow.column("n_low").to_pylist() == [ends[0] for ends in answer.intervals("n") if ends]
    assert not any(arrow.column("withheld").to_pylist())
    told = arrow.schema.metadata
    assert told[b"hefu.receipt"].decode() == pandas.attrs["hefu.receipt"] != ""
    assert told[b"hefu.epsilon"] == b"0.500000000"
    assert b"laplace" in arrow.field("n").metadata[b"hefu.mechanism"]


@pytest.mark.timeout(600)
def test_a_sample_is_one_charged_question_and_queries_are_tried_on_it_for_free(
    space: Any, town: Space, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    product, file = space.product("prd-hospital-b"), str(tmp_path / "sample.parquet")
    before = space.contracts(product.id)[0]
    words = ("--dir", str(town.folder / "pharma"), "--json")
    asked = ("compute", "sample", product.id, "--epsilon", "1", "--rows", "200", "--bins", "4", "-o", file)
    assert main([*asked, *words]) == 0
    told = json.loads(capsys.readouterr().out)
    after = space.contracts(product.id)[0]
    assert told["synthetic"] is True
    assert (told["rows"], told["pairs"], told["left_out"]) == (200, [["age", "region"]], [])
    assert 300 < told["data_rows"] < 500  # of 400
    assert (before.epsilon_left - after.epsilon_left, before.releases_left - after.releases_left) == (1, 1)
    assert main(["compute", "query", "--try", file, "--epsilon", "1", BOTH, *words]) == 0
    tried = json.loads(capsys.readouterr().out)
    assert tried["synthetic"] is True
    assert [row[0] for row in tried["rows"]] == ["north", "south"]
    assert all("synthetic" in each["mechanism"] for each in tried["mechanisms"])
    assert main(["compute", "query", "--try", file, "--epsilon", "1", BOTH, "--exact", *words]) == 2
    assert main([*asked, *words]) == 2  # the file is there already: refused before anything is asked
    assert space.contracts(product.id)[0].epsilon_left == after.epsilon_left


def test_files_hold_the_exact_cells_and_are_never_overwritten(answer: Answer, town: Space, tmp_path: Path) -> None:
    for form in ("arrow", "parquet", "csv"):
        answer.write(tmp_path / f"answer.{form}")
    with pyarrow.memory_map(str(tmp_path / "answer.arrow")) as file:
        assert pyarrow.ipc.open_file(file).read_all().equals(answer.to_arrow(), check_metadata=True)
    kept = pyarrow.parquet.read_table(tmp_path / "answer.parquet")
    assert kept.schema.metadata[b"hefu.receipt"] == answer.to_arrow().schema.metadata[b"hefu.receipt"]
    with (tmp_path / "answer.csv").open(newline="") as text:
        assert [row["n"] for row in csv.DictReader(text)] == [str(each) for each in answer.values("n")]
    with pytest.raises(Malformed) as caught:
        answer.write(tmp_path / "answer.csv")
    assert caught.value.code == "command.exists"
    with pytest.raises(Malformed):
        answer.write(tmp_path / "answer.xlsx")


def test_the_command_writes_the_same_table(answer: Any, town: Space, tmp_path: Path) -> None:
    words = ("compute", "show", answer.sources[0].computation, "--dir", str(town.folder / "pharma"))
    assert main([*words, "--output", str(tmp_path / "same.parquet")]) == 0
    assert pyarrow.parquet.read_table(tmp_path / "same.parquet").equals(answer.to_arrow())
    assert main([*words, "--format", "csv"]) == 2


def test_a_refusal_names_the_clause_and_a_wrong_query_the_word(space: Any, contracts: list[str]) -> None:
    product = space.product("prd-hospital-a")
    with pytest.raises(Refused) as refused:
        product.query(COUNT, epsilon="1.5")
    assert any("epsilon" in each for each in refused.value.reasons)
    with pytest.raises(Malformed) as malformed:
        product.query("SELECT * FROM data", epsilon="0.1")
    assert malformed.value.code == "query.refused"


def test_who_cannot_be_reached_or_asked_is_named(space: Any, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        hefu.connect(tmp_path)
    with pytest.raises(NotFound):
        space.product("prd-nothing")


def test_two_hospitals_answer_as_one_with_the_error_of_both(space: Any, contracts: list[str]) -> None:
    found = space.query(BOTH, contracts=contracts, epsilon="0.9")
    assert found.headings == ("region", "n", "mean_age")
    assert [each.provider for each in found.sources] == ["hospital-a", "hospital-b"]
    for at, region in enumerate(found.values("region")):
        parts = [each.values("n")[at] for each in found.parts]
        assert found.values("n")[at] == sum(parts)
        low, high = found.intervals("n")[at]
        single = found.parts[0].intervals("n")[at]
        width = high - low
        assert single[1] - single[0] < width < 2 * (single[1] - single[0])
        assert abs(found.values("n")[at] - 2 * TRUE[region]) <= 5 * width
        low, high = found.intervals("mean_age")[at]
        true = sum(20 + i % 60 for i in range(400) if bool(i % 4) == (region == "north")) / TRUE[region]
        assert abs(float(found.values("mean_age")[at]) - true) <= 5 * float(high - low)
    assert "hospital-b" in found._repr_html_()


def test_numbers_that_are_computed_add_up_and_a_mean_is_summed_from_the_middle_of_its_bounds(
    space: Any, contracts: list[str]
) -> None:
    sql = "SELECT SUM(age * 2) AS doubled, AVG(age) AS mean, COUNT(age) AS n FROM data"
    found = space.query(sql, contracts=contracts, epsilon="0.9")
    assert found.values("doubled")[0] == sum(each.values("doubled")[0] for each in found.parts)
    assert len(found.parts[0].headings) == 3, "the count of the mean is not asked twice"
    doubled, total = (next(n for n in found.parts[0].noise if n.column == name) for name in ("doubled", "mean_sum"))
    # Ages lie in 0 … 120: doubled they move a sum by 240 at most, and from their middle by 60.
    assert Decimal(doubled.scale) > 2 * Decimal(total.scale)
    true = sum(20 + i % 60 for i in range(400)) / 400
    low, high = found.intervals("mean")[0]
    assert abs(float(found.values("mean")[0]) - true) <= 5 * float(high - low)
    with pytest.raises(Malformed) as caught:
        space.query("SELECT MEDIAN(age) AS middle FROM data", contracts=contracts, epsilon="0.1")
    assert caught.value.code == "question.differ"


def test_the_command_combines_too(town: Space, contracts: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compute", "query", COUNT, "--contract", contracts[0], "--contract", contracts[1], "--epsilon", "0.1"]
    capsys.readouterr()
    assert main([*words, "--json", "--dir", str(town.folder / "pharma")]) == 0
    found = json.loads(capsys.readouterr().out)
    totals = [int(row[1]) for row in found["combined"]["rows"]]
    assert totals == [sum(int(part["answer"]["rows"][at][1]) for part in found["computations"]) for at in (0, 1)]
    assert main([*words, "--dir", str(town.folder / "pharma")]) == 0
    assert "hospital-b: charged ε 0.1" in capsys.readouterr().out
    assert main([*words[:5], "--contract", contracts[0], *words[-2:], "--dir", str(town.folder / "pharma")]) == 2


def test_of_several_contracts_on_a_product_one_has_to_be_named(space: Any, town: Space, contracts: list[str]) -> None:
    second = agree(town.connectors["hospital-a"], town.connectors["pharma"], "prd-hospital-a")
    product = space.product("prd-hospital-a")
    with pytest.raises(Conflict) as caught:
        product.query(COUNT, epsilon="0.1")
    assert caught.value.code == "question.which_contract"
    assert len(product.query(COUNT, epsilon="0.1", contract=second)) == 2
