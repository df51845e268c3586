"""`hefu product check`: every mistake at once, on its line, with what to write; and drafts that need decisions only."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hefu.envelope import new_id
from hefu.errors import Language
from hefu.messages import MESSAGES
from hefu_connector.descriptions.check import Checked, SourceView, check
from hefu_connector.descriptions.draft import draft
from hefu_connector.descriptions.words import REMEDIES
from hefu_policies import odrl
from hefu_policies.budget import PrivacyLoss
from hefu_policies.goods.product import Description
from hefu_policies.goods.resource import NUMERIC, TYPES
from hypothesis import given, settings
from hypothesis import strategies as st

GOOD = """\
apiVersion: hefu/v1
kind: DataProduct
product: prd-admissions
title: {zh: 住院记录, en: Hospital admissions}
description: One row per stay.
keywords: [health, 住院]
source: admissions
columns:
  - name: patient
    type: text
    sensitivity: personal
  - name: age
    type: integer
    unit: years
    bounds: {lower: 0, upper: 120}
  - name: cost
    type: decimal
    nullable: true
    bounds: {lower: 0, upper: 100000.00, granularity: 0.01}
  - name: sex
    type: text
    categories: [f, m]
privacy:
  unit: patient
  max_contribution: 4
  lifetime: {epsilon: 10, delta: 0, releases: 1000}
governance:
  security_grade: 3
  personal_data: true
  important_data: false
  legal_basis: consent
  cross_border: false
offers:
  - name: research
    policy:
      template: research-statistics
      purpose: dpv:ScientificResearch
      epsilon: 0.5
      min_group: 10
      until: "2027-11-21T00:00:00Z"
    budget: {epsilon: 2.5, releases: 100}
    visibility: [pharma-b]
    approval: manual
    valid_days: 90
"""
VIEW = SourceView(
    "admissions", "res-one", {"patient": "text", "age": "integer", "cost": "decimal", "sex": "text", "ward": "text"}
)


def line_of(text: str, fragment: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if fragment in line)


def told(checked: Checked) -> list[tuple[int, str]]:
    return [(each.line, each.what) for each in checked.faults]


def described(checked: Checked) -> Description:
    assert checked.faults == ()
    assert checked.description is not None
    return checked.description


def test_a_good_file_becomes_the_description_that_it_says() -> None:
    description = described(check(GOOD, {"admissions": lambda: VIEW}))
    assert description.product == "prd-admissions"
    assert description.title == {"zh": "住院记录", "en": "Hospital admissions"}
    assert description.description == {"en": "One row per stay."}
    (resource,) = description.resources
    assert resource.id == "res-one"
    assert [each.name for each in resource.schema] == ["patient", "age", "cost", "sex"]
    cost, age = resource.column("cost"), resource.column("age")
    assert cost is not None
    assert age is not None
    assert cost.bounds is not None
    assert age.bounds is not None
    assert cost.bounds.granularity == Decimal("0.01")
    assert (age.bounds.lower, age.bounds.upper, age.bounds.granularity) == (0, 120, 1)
    assert resource.privacy.unit == "patient"
    assert resource.privacy.lifetime.loss == PrivacyLoss(10 * 10**9)
    (offer,) = description.offers
    assert offer.id == "research"
    assert offer.visibility.participants == ("pharma-b",)
    assert offer.approval == "manual"
    assert Description.of(description.body()) == description


def test_a_policy_follows_the_offers_budget_and_the_described_columns_where_it_says_nothing() -> None:
    (offer,) = described(check(GOOD)).offers
    policy = odrl.load(offer.policy)
    assert policy.columns() == {"patient", "age", "cost", "sex"}
    limits = {each.operand.name: each.values for each in policy.permissions[0].constraints}
    assert limits["epsilonBudget"] == (Decimal("2.5"),)
    assert limits["count"] == (100,)


def test_a_decimal_is_read_as_it_is_written_and_never_as_a_float() -> None:
    text = GOOD.replace("granularity: 0.01", "granularity: 0.1").replace("100000.00", "0.3")
    (resource,) = described(check(text)).resources
    column = resource.column("cost")
    assert column is not None
    assert column.bounds is not None
    assert (column.bounds.upper, column.bounds.granularity) == (Decimal("0.3"), Decimal("0.1"))


MISTAKES = [
    ("type: integer", "type: intger", "product.misspelt", "integer"),
    ("  unit: patient", "  unit: patiant", "product.misspelt", "patient"),
    ("sensitivity: personal", "sensitivty: personal", "product.misspelt", "sensitivity"),
    ("keywords:", "colour:", "product.unknown", "colour"),
    ("kind: DataProduct", "kind: Table", "product.choice", "DataProduct"),
    ("kind: DataProduct", "kind: Model", "product.kind_model", "kind: Model"),
    ("bounds: {lower: 0, upper: 120}", "bounds: {lower: 120, upper: 0}", "product.bounds_order", "below"),
    ("bounds: {lower: 0, upper: 120}", "bounds: {lower: 0}", "product.missing", "upper"),
    ("bounds: {lower: 0, upper: 120}", "bounds: DECIDE", "product.decide", "may occur"),
    ("upper: 120}", "upper: many}", "product.number", "upper"),
    ("categories: [f, m]", "categories: []", "product.list", "categories"),
    ("categories: [f, m]", "categories: [f, f]", "product.twice", "Keep one"),
    ("categories: [f, m]", "bounds: {lower: 0, upper: 1}", "product.bounds_type", "text"),
    ("max_contribution: 4", "max_contribution: 0", "product.integer", "from 1"),
    ("max_contribution: 4", "max_contribution: four", "product.integer", "from 1"),
    ("lifetime: {epsilon: 10,", "lifetime: {epsilon: -1,", "product.range", "above 0"),
    ("delta: 0,", "delta: 1,", "product.range", "below 1"),
    ("personal_data: true", "personal_data: yes please", "product.flag", "true or false"),
    ("security_grade: 3", "security_grade: 7", "product.integer", "to 5"),
    ("template: research-statistics", "template: research-statistic", "product.misspelt", "research-statistics"),
    ("min_group: 10", "min_grup: 10", "product.misspelt", "min_group"),
    ("min_group: 10", "min_group: -1", "product.parameter", "whole number"),
    ("min_group: 10", "nonsense: 10", "product.unknown", "min_group"),
    ("purpose: dpv:ScientificResearch", "purpose: dpv:Mischief", "product.parameter", "purpose"),
    ('until: "2027-11-21T00:00:00Z"', "columns: [agee]", "product.misspelt", "age"),
    ('until: "2027-11-21T00:00:00Z"', "until: tomorrow", "product.parameter", "time"),
    ("budget: {epsilon: 2.5,", "budget: {epsilon: 11,", "product.budget_lifetime", "lifetime"),
    ("approval: manual", "approval: sometimes", "product.choice", "automatic"),
    ("valid_days: 90", "valid_days: 0", "product.integer", "3660"),
    ("visibility: [pharma-b]", "visibility: everybody", "product.choice", "members"),
    ("title: {zh: 住院记录, en: Hospital admissions}", "title: []", "product.languages", "title"),
    ("product: prd-admissions", "product:", "product.text", "draft"),
    ("apiVersion: hefu/v1", "apiVersion: hefu/v2", "product.misspelt", "hefu/v1"),
    ("name: sex", "name: AGE", "product.column_twice", "AGE"),
]


@pytest.mark.parametrize(("right", "wrong", "code", "word"), MISTAKES)
def test_a_mistake_is_told_on_its_line_with_what_to_write(right: str, wrong: str, code: str, word: str) -> None:
    text = GOOD.replace(right, wrong)
    assert text != GOOD
    checked = check(text)
    assert checked.description is None
    mine = [each for each in checked.faults if each.what == code]
    assert mine, told(checked)
    # A doubled column is told where the second begins.
    assert abs(mine[0].line - line_of(text, wrong)) <= (1 if code == "product.missing" else 0)
    assert word in mine[0].text("en")
    assert mine[0].text("zh") != mine[0].text("en")


def test_every_mistake_is_told_at_once_in_the_order_of_lines() -> None:
    text = GOOD
    wrongs = []
    for right, wrong, code, _ in MISTAKES:
        if right in text and code not in ("product.missing", "product.column_twice"):
            text = text.replace(right, wrong, 1)
            wrongs.append(wrong)
    checked = check(text)
    lines = [each.line for each in checked.faults]
    assert lines == sorted(lines)
    # `template` is misspelt, so that nothing can be said of the parameters beside it; all other mistakes are told.
    hidden = {line_of(text, each) for each in wrongs if "min_group" in each or "min_grup" in each}
    hidden |= {line_of(text, each) for each in wrongs if each.startswith(("purpose:", "columns: [agee]"))}
    # The lifetime is wrong, so the budget of an offer cannot be compared with it.
    hidden |= {line_of(text, each) for each in wrongs if each.startswith("budget:")}
    assert {line_of(text, each) for each in wrongs} - set(lines) <= hidden
    assert len(set(lines)) >= 12


def test_one_mistake_is_told_once() -> None:
    text = GOOD.replace("type: integer", "type: intger")
    assert told(check(text)) == [(line_of(text, "intger"), "product.misspelt")]


def test_a_mistake_in_a_column_does_not_make_its_mentions_unknown() -> None:
    text = GOOD.replace("name: patient\n    type: text", "name: patient\n    type: txt")
    assert [each.what for each in check(text).faults] == ["product.misspelt"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1\nb: 2\n", 2),
        ("apiVersion: hefu/v1\n\tkind: x\n", 2),
        ("just a sentence\n", 1),
        ("- a\n- list\n", 1),
        ("", 1),
        ("# nothing\n", 1),
    ],
)
def test_a_file_that_is_no_mapping_is_refused_with_a_line(text: str, line: int) -> None:
    faults = check(text).faults
    assert faults
    assert faults[0].line == line


@pytest.mark.parametrize("trick", ["keywords: &a [x]", "keywords: !!python/name:os.system []", "? {a: b}\n: c"])
def test_anchors_tags_and_odd_keys_are_refused(trick: str) -> None:
    text = GOOD.replace("keywords: [health, 住院]", trick)
    assert "product.plain" in {each.what for each in check(text).faults}


def test_a_key_that_stands_twice_is_refused_and_both_lines_are_told() -> None:
    text = GOOD + "source: other\n"
    (fault,) = check(text).faults
    assert fault.line == len(text.splitlines())
    assert str(line_of(GOOD, "source:")) in fault.text("en")


def test_a_column_that_its_source_does_not_have_is_told_with_the_nearest() -> None:
    text = GOOD.replace("name: sex", "name: sexx").replace("name: cost", "name: zip")
    checked = check(text, {"admissions": lambda: VIEW})
    assert told(checked) == [
        (line_of(text, "name: zip"), "product.column_missing"),
        (line_of(text, "name: sexx"), "product.column_near"),
    ]


def test_a_type_that_the_source_cannot_have_is_told() -> None:
    text = GOOD.replace("name: sex\n    type: text\n    categories: [f, m]", "name: sex\n    type: integer")
    assert [each.what for each in check(text, {"admissions": lambda: VIEW}).faults] == ["product.column_type"]


def test_a_source_that_is_not_registered_is_told_with_the_nearest() -> None:
    text = GOOD.replace("source: admissions", "source: admision")
    (fault,) = check(text, {"admissions": lambda: VIEW}).faults
    assert (fault.line, fault.what) == (line_of(text, "source:"), "product.misspelt")
    (fault,) = check(GOOD, {}).faults
    assert fault.what == "product.source"


def test_no_other_source_is_looked_at_than_the_one_that_is_named() -> None:
    def forbidden() -> SourceView:
        raise AssertionError("looked at")

    described(check(GOOD, {"admissions": lambda: VIEW, "other": forbidden}))


def test_where_every_row_is_a_unit_it_contributes_once() -> None:
    text = GOOD.replace("unit: patient\n", "unit: row\n")
    assert [each.what for each in check(text).faults] == ["product.row_contribution"]
    described(check(text.replace("max_contribution: 4", "max_contribution: 1")))


def test_a_budget_is_rounded_down() -> None:
    text = GOOD.replace("budget: {epsilon: 2.5,", "budget: {epsilon: 0.0000000019,")
    (offer,) = described(check(text)).offers
    assert offer.budget.loss.epsilon_nano == 1


def test_what_the_policies_floor_refuses_is_told_on_the_columns_line() -> None:
    text = GOOD.replace("name: sex", "name: 9 lives")
    (fault,) = check(text).faults
    assert fault.line == line_of(text, "9 lives")
    assert "letters, digits and underscores" in fault.text("en")


# ------------------------------------------------------------ drafts

DECISIONS = {
    "en": "Admissions",
    "description": "One row per stay",
    "bounds": "{lower: 0, upper: 1000, granularity: 1}",
    "unit": "row",
    "max_contribution": "1",
    "security_grade": "3",
    "personal_data": "true",
    "important_data": "false",
    "legal_basis": "consent",
    "cross_border": "false",
    "epsilon": "5",
    "until": '"2030-01-01T00:00:00Z"',
}


def decide(text: str) -> str:
    """The draft with its marked decisions made, and nothing else changed."""
    return re.sub(r"(?m)^(\s*)(\w+): DECIDE.*$", lambda found: f"{found[1]}{found[2]}: {DECISIONS[found[2]]}", text)


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12) | st.from_regex(
    r"\A[A-Za-z_][A-Za-z0-9_]{0,10}\Z"
)
COLUMNS = st.dictionaries(NAMES, st.sampled_from(["", *TYPES]), max_size=8)


@settings(max_examples=60, deadline=None)
@given(COLUMNS, st.sampled_from(["en", "zh"]))
def test_a_draft_passes_once_its_marked_decisions_are_made(columns: dict[str, str], language: Language) -> None:
    columns = {"stay": "integer", **columns}  # a product needs one column at least
    text = draft("admissions", columns, new_id("prd"), language)
    view = SourceView("admissions", "res-one", columns)
    undecided = check(text, {"admissions": lambda: view})
    assert {each.what for each in undecided.faults} <= {"product.decide", "product.decide_as"}
    assert len(undecided.faults) == text.count(": DECIDE")
    description = described(check(decide(text), {"admissions": lambda: view}))
    (resource,) = description.resources
    assert {each.name for each in resource.schema} <= set(columns)
    assert all((each.bounds is not None) == (each.type in NUMERIC) for each in resource.schema)


def test_a_draft_marks_bounds_and_says_what_they_mean() -> None:
    text = draft("admissions", {"age": "integer"}, "prd-x")
    assert "bounds: DECIDE  # lower and upper of what may occur, not of what did occur" in text


def test_a_draft_names_columns_that_it_had_to_leave_out() -> None:
    text = draft(
        "admissions", {"case.id": "integer", "\x1b[31m\nprivacy": "text", "AGE": "integer", "age": "text"}, "prd-x"
    )
    assert "# left out: case.id:" in text
    assert "\x1b" not in text
    assert [each for each in text.splitlines() if each.startswith("privacy")] == ["privacy:"]
    assert "name: AGE" in text
    assert "name: age" not in text


def test_every_remedy_and_sentence_stands_in_both_languages() -> None:
    for table in (REMEDIES, {code: each for code, each in MESSAGES.items() if code.startswith("product.")}):
        for key, each in table.items():
            assert each["en"], key
            assert any("\u4e00" <= letter <= "\u9fff" for letter in each["zh"]), key


def test_the_clauses_of_a_ready_made_policy_do_not_clash() -> None:
    checked = check(GOOD, {"admissions": lambda: VIEW})
    assert checked.description is not None
    assert [each.what for each in checked.warnings if each.what.startswith("analysis.")] == []


def test_an_offer_of_joint_totals_needs_a_number_of_rows() -> None:
    policy = GOOD[GOOD.index("      template:") : GOOD.index("    budget: {epsilon: 2.5")]
    text = GOOD.replace(policy, (
        '      template: joint-totals\n      purpose: dpv:ServiceProvision\n      parties: [hospital-b, pharma-b]\n'
        '      epsilon: 0.5\n      budget: 4\n'
        '      columns: [cost]\n      count: 20\n      until: "2027-11-21T00:00:00Z"\n'
    )).replace("  max_contribution: 4\n", "  max_contribution: 4\n  exclusive: true\n")  # fmt: skip
    checked = check(text, {"admissions": lambda: VIEW})
    assert [each.what for each in checked.warnings] == ["product.no_rows"]
    checked = check(text + 'facts: [{name: rows, value: "5000"}]\n', {"admissions": lambda: VIEW})
    assert not checked.warnings
    assert described(checked).resources[0].privacy.exclusive
