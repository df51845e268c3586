"""From a fitted estimator or a table to a published model: what is told of it is right, and weights are nowhere."""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import hefu
import pytest
from hefu import canonical
from hefu.__main__ import main
from hefu.errors import HefuError, Malformed
from hefu_connector.computing.model import IDENTITY, LOGISTIC, Model
from hefu_connector.computing.served_model import Told, features_of
from hefu_connector.computing.suites import CKKS, SUITES
from hefu_connector.descriptions.check import Checked, SourceView, check
from hefu_connector.descriptions.draft import draft
from hefu_connector.shelves import SourceRecord
from hefu_connector.sources.look import SourceLook
from hefu_connector.workbench import coefficients
from hefu_connector.workers.pool import Limits, Pool
from hefu_policies.goods.product import MODEL, Description
from hefu_policies.goods.served import DECISION, PLACES, RANKING
from hefu_policies.reading import Place
from hefu_policies.telling.models import answers_that_rebuild, disclosure, releases_that_rebuild

DATA = Path(os.environ.get("HEFU_SHARED", "../shared")) / "datasets" / "finance_isl_default.csv"
STEP = Decimal("0.01")
TABLE = """feature,weight,lower,upper,unit,mean,scale
(intercept),-0.5,,,,,
age,0.75,18,99,a,40,12.5
income,-1.25,0,200000,CNY,50000,25000
"""
SCORECARD = """feature,from,to,points
(base),,,600
age,,25,-20
age,25,60,10.5
age,60,,5
"""


def plain(model: Model, record: Sequence[float]) -> float:
    weights = zip(model.weights, record, strict=True)
    return float(model.intercept) + sum(float(each) * value for each, value in weights)


def test_a_table_of_coefficients_is_the_score_that_it_says() -> None:
    made = coefficients.read(TABLE, IDENTITY, STEP)
    assert [(each.name, each.unit, each.upper) for each in made.features] == [
        ("age", "a", Decimal(99)), ("income", "CNY", Decimal(200000)),
    ]  # fmt: skip
    for age, income in ((18, 0), (40, 50000), (99, 200000)):
        score = -0.5 + 0.75 * (age - 40) / 12.5 - 1.25 * (income - 50000) / 25000
        assert plain(made, (age, income)) == pytest.approx(score, abs=1e-12)
    again = coefficients.read(TABLE, IDENTITY, STEP)
    assert again.digest() != made.digest()  # a nonce: nobody guesses weights from a digest
    assert replace(again, nonce=made.nonce) == made


def test_a_scorecard_gives_each_class_its_points() -> None:
    made = coefficients.read(SCORECARD, IDENTITY, STEP)
    assert [(each.name, each.unit) for each in made.features] == [
        ("age_1", "1 if age < 25"), ("age_2", "1 if 25 <= age < 60"), ("age_3", "1 if 60 <= age"),
    ]  # fmt: skip
    assert [plain(made, each) for each in ((1, 0, 0), (0, 1, 0), (0, 0, 1))] == [580, 610.5, 605]
    words = coefficients.read("feature,value,points\nhome,rent,3\nhome,own,-2\n", IDENTITY, STEP)
    assert [each.unit for each in words.features] == ["1 if home = rent", "1 if home = own"]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("", "heading"),
        ("name,weight\n", "heading"),
        ("feature,weight,lower,upper\nage,x,0,1\n", "Line 2"),
        ("feature,weight,lower,upper\nage,1e3,0,1\n", "Line 2"),
        ("feature,weight,lower,upper\nage,1,1,0\n", "Line 2"),
        ("feature,weight,lower,upper\nage,1,0,1\n1x,1,0,1\n", "Line 3"),
        ("feature,weight,lower,upper,scale\nage,1,0,1,0\n", "scale"),
        ("feature,weight,lower,upper\n(intercept),1,,\n(intercept),1,,\nage,1,0,1\n", "one line"),
        ("feature,weight,lower,upper\nage,1,0,1,9\n", "4 cells"),
        ("feature,weight,lower,upper\nage,1,0,1\nage,1,0,1\n", "twice"),
        ("feature,weight,lower,upper\nage,1,0,9999\n", "reaches"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_with_its_line_and_no_number(table: str, told: str) -> None:
    with pytest.raises(Malformed, match=told):
        coefficients.read(table, IDENTITY, STEP)


def test_an_estimator_is_exported_with_its_scalers_folded_in(tmp_path: Path) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    drawn = random.Random(3)
    names, rows = ["age", "income"], [[drawn.uniform(18, 99), drawn.uniform(0, 2e5)] for _ in range(200)]
    truth = [int(age / 50 + income / 1e5 + drawn.gauss(0, 1) > 2) for age, income in rows]
    said: dict[str, Any] = {"ranges": {"age": (18, 99), "income": (0, 200_000)}, "names": names}
    fitted = make_pipeline(StandardScaler(), MinMaxScaler(), linear.LogisticRegression()).fit(rows, truth)
    digest = hefu.export_model(fitted, tmp_path / "m.json", **said, units={"income": "CNY"})
    data = (tmp_path / "m.json").read_bytes()
    made = Model.of(Place(canonical.decode(data), "model"))
    assert (digest, made.answer) == (canonical.digest(data), LOGISTIC)
    assert (tmp_path / "m.json").stat().st_mode & 0o077 == 0
    for row, score in zip(rows, fitted.decision_function(rows), strict=True):
        assert plain(made, row) == pytest.approx(score, abs=1e-9)

    scaler = StandardScaler(with_mean=False).fit(rows)
    number = linear.LinearRegression().fit(scaler.transform(rows), truth)
    hefu.export_model(number, tmp_path / "n.json", **said, scaler=scaler, step="0.001")
    straight = Model.of(Place(canonical.decode((tmp_path / "n.json").read_bytes()), "model"))
    assert straight.answer == IDENTITY
    for row, score in zip(rows, number.predict(scaler.transform(rows)), strict=True):
        assert plain(straight, row) == pytest.approx(score, abs=1e-9)

    wrong: list[tuple[str, Any, dict[str, Any]]] = [
        ("command.exists", number, said | {"scaler": scaler}),
        ("model.ranges", number, said | {"ranges": {"age": (0, 1)}}),
        ("model.fitted", number, said | {"names": ["age"]}),
        ("model.fitted", linear.LinearRegression(), said),
        ("model.fitted", linear.LogisticRegression().fit(rows, [at % 3 for at in range(200)]), said),
        ("model.fitted", make_pipeline(linear.LinearRegression(), number), said),
        ("model.reach", number, said | {"ranges": {"age": (0, 1e9), "income": (0, 1e12)}}),
    ]
    for code, one, given in wrong:
        with pytest.raises(HefuError) as fault:
            hefu.export_model(one, tmp_path / "n.json", **given)
        assert fault.value.code == code


# ------------------------------------------------------------ the source, the product file, the page


@pytest.fixture(scope="module")
def look() -> Any:
    with Pool(None, Limits(ready=1)) as pool:
        yield SourceLook(pool, None, 60.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "table.csv").write_text(TABLE)
    assert main(["model", "make", str(tmp_path / "table.csv"), "-o", str(tmp_path / "m.json"), "--json"]) == 0
    return tmp_path / "m.json"


def record(look: SourceLook, path: Path) -> SourceRecord:
    return look.spell(SourceRecord("credit", "res-credit", str(path), "", {}))


def described(told: Told, text: str = "") -> Checked:
    """The drafted product file, every decision made, beside its source."""
    drafted = text or draft("credit", {each.name: each.type for each in told.columns}, "prd-credit", "en", told)
    decided = {
        "  en": "Scores", "description": "Scores of credit.", "    description": "As of the day of application.",
        "    releases": "100000", "      releases": "8192", "  security_grade": "2", "  personal_data": "true",
        "  important_data": "false", "  legal_basis": "consent", "  cross_border": "false",
        "      until": '"2027-11-21T00:00:00Z"',
    }  # fmt: skip
    lines = []
    for line in drafted.splitlines():
        key, _, rest = line.partition(":")
        lines.append(f"{key}: {decided[key]}" if rest.startswith(" DECIDE") else line)
    view = SourceView("credit", "res-credit", {each.name: each.type for each in told.columns}, told)
    return check("\n".join(lines), {"credit": lambda: view})


def published(told: Told) -> Description:
    checked = described(told)
    assert [each.told() for each in checked.faults] == []
    assert checked.description is not None
    return checked.description


def test_a_model_s_source_tells_all_but_its_weights(look: SourceLook, file: Path) -> None:
    source = record(look, file)
    assert source.form == "model"
    assert look.columns(source) == {"age": "decimal", "income": "decimal"}
    told, model = look.model(source), Model.of(Place(canonical.decode(file.read_bytes()), "model"))
    assert told == Told.of_model(model)
    with look.source(source).open([]) as table:
        assert table.snapshot == model.digest() == told.served.digest
    assert not any(str(abs(each)) in str(told.body()) for each in model.weights)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data + b"\n", "model.file"),
        (lambda data: data.replace(b'"0.01"', b'"0.010"'), "model.file"),
        (lambda data: data.replace(b'"0.01"', b'"0.00001"'), "contract.value"),
        (lambda data: data.replace(b'"identity"', b'"logistic"'), "contract.value"),
        (lambda data: data.replace(b'"step"', b'"stop"'), "contract.missing"),
        (lambda _: b"[1]", "contract.value"),
        (lambda _: b"\0\xff", "model.file"),
    ],
)
def test_a_file_that_is_no_model_is_refused_with_its_place(
    look: SourceLook, file: Path, change: Any, code: str
) -> None:
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(Malformed) as fault:
        look.columns(record(look, file))
    assert fault.value.code == code


def test_a_drafted_model_is_in_order_once_its_decisions_are_made(look: SourceLook, file: Path) -> None:
    told = look.model(record(look, file))
    assert told is not None
    made = published(told)
    assert (made.kind, made.resources[0].model) == (MODEL, told.served)
    few = described(
        told, draft("credit", {}, "prd-credit", "en", told).replace("      releases: DECIDE", "      releases: 9")
    )
    assert [(each.what, each.parameters["places"]) for each in few.warnings] == [("product.block", "4096")]
    assert Description.of(canonical.decode(canonical.encode(made.body()))) == made
    assert made.offers[0].template is not None
    assert made.offers[0].template.parameters["models"] == [told.served.digest]
    assert made.offers[0].template.parameters["count"] == 8192
    model = Model.of(Place(canonical.decode(file.read_bytes()), "model"))
    assert features_of(made.resources[0]) == model.features
    look.check(record(look, file), made.resources)


def test_what_is_described_must_be_the_model_that_the_source_holds(look: SourceLook, file: Path) -> None:
    told = look.model(record(look, file))
    assert told is not None
    text = draft("credit", {}, "prd-credit", "en", told)
    age, income = text.index("  - name: age"), text.index("  - name: income")
    end = text.index("\n\n", income)
    wrong = {
        "model.feature": text.replace("upper: 99", "upper: 98"),
        "product.other_model": text.replace(told.served.digest, "sha256:" + "0" * 64),
        "product.kind_model": text.replace("kind: Model", "kind: DataProduct"),
        "product.left_feature": text[:income] + text[end:],
        "contract.value": text.replace("unit: row", "unit: age"),
    }
    for code, each in wrong.items():
        assert code in {fault.what for fault in described(told, each).faults}, code
    swapped = text[:age] + text[income:end] + "\n" + text[age:income].rstrip("\n") + text[end:]
    assert [each.what for each in described(told, swapped).faults] == ["model.feature"] * 2
    made = published(told)
    (file.parent / "t.csv").write_text(TABLE)
    assert main(["model", "make", str(file.parent / "t.csv"), "-o", str(file.parent / "other.json"), "--json"]) == 0
    other = record(look, file.parent / "other.json")
    with pytest.raises(Malformed, match="not the model"):
        look.check(other, made.resources)
    (file.parent / "rows.csv").write_text("age,income\n1,2\n")
    with pytest.raises(Malformed, match="not the model"):
        look.check(record(look, file.parent / "rows.csv"), made.resources)


def test_the_page_says_how_many_answers_rebuild_the_model_and_what_bounds_them(look: SourceLook, file: Path) -> None:
    told = look.model(record(look, file))
    assert told is not None
    made = published(told)
    one, offers = made.resources[0], made.offers
    assert answers_that_rebuild(one) == 3
    english, chinese = " ".join(disclosure(one, offers, "en")), "".join(disclosure(one, offers, "zh"))
    for said in ("3 answers on records of one's own choice", "100000 records, for ever; that is enough", "8192 records",
                 "charged whole, as 4096 records, and one of them is enough"):  # fmt: skip
        assert said in english
    for said in ("3 个答复", "100000 条记录", "8192 条记录", "整批 4096 条记录计，1 批即足以"):
        assert said in chinese
    few = replace(one, privacy=replace(one.privacy, lifetime=replace(one.privacy.lifetime, releases=4095)))
    assert "less than one block of 4096, so nothing is answered" in disclosure(few, (), "en")[-1]
    assert releases_that_rebuild(one) == 4096
    assert {name: each.slots for name, each in SUITES.items() if each.scheme == CKKS} == PLACES
    for answer, number in ((LOGISTIC, 3), (RANKING, 3), (DECISION, 20)):
        other = replace(one, model=replace(told.served, answer=answer))
        assert answers_that_rebuild(other) == number
        assert str(number) in disclosure(other, (), "en")[2]
    assert disclosure(replace(one, model=None), offers, "en") == []


@pytest.mark.skipif(not DATA.exists(), reason="the credit default data are not here (HEFU_SHARED)")
def test_a_score_of_credit_default_ranks_as_the_estimator_does_to_three_digits(tmp_path: Path) -> None:
    pytest.importorskip("tenseal")
    from hefu_connector.engines.homomorphic import keys, scoring
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with DATA.open() as file:
        rows = [*csv.DictReader(file)]
    table = [[float(each["student"] == "Yes"), float(each["balance"]), float(each["income"])] for each in rows]
    truth = [int(each["default"] == "Yes") for each in rows]
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(table, truth)
    ranges = {"student": (0, 1), "balance": (0, 3000), "income": (0, 80_000)}
    hefu.export_model(fitted, tmp_path / "m.json", ranges=ranges, names=[*ranges], answer=IDENTITY, step="0.01")
    made = Model.of(Place(canonical.decode((tmp_path / "m.json").read_bytes()), "model"))
    own = keys.make(made.suite)
    theirs = keys.read_public(keys.public(own), made.suite)
    got: list[int] = []
    for start in range(0, len(table), made.suite.slots):
        columns = [*zip(*table[start : start + made.suite.slots], strict=True)]
        block = scoring.encrypt(own, made.features, columns)
        answer = scoring.score(theirs, made, block, len(columns[0]))
        got += scoring.decrypt(own, answer, made.suite, len(columns[0]), made.step)
    exact = fitted.decision_function(table)
    assert max(abs(each * 0.01 - wanted) for each, wanted in zip(got, exact, strict=True)) <= made.tolerance
    assert len(got) == len(rows) == 10_000
    assert round(roc_auc_score(truth, got), 3) == round(roc_auc_score(truth, exact), 3)
