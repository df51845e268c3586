"""Any policy in plain words: nothing that it says is left out, and nothing is said that it does not."""

from decimal import Decimal
from typing import Any, get_args

import pytest
from hefu.errors import Language
from hefu_policies import odrl
from hefu_policies.authoring.lints import lint
from hefu_policies.deciding.policy import Constraint, Duty, Policy, Rule, leaves
from hefu_policies.library import TEMPLATES, examples, template
from hefu_policies.telling import wording
from hefu_policies.telling.wording.sentences import CONDITIONS, MANNERS, OPERATORS, WORDS
from hefu_policies.words.terms import ACTIONS, OPERANDS, Operator
from hypothesis import given, settings

from tests.policies.whole_policies import whole_policies

LANGUAGES = get_args(Language)


def _offer(*permissions: Rule, prohibitions: tuple[Rule, ...] = (), obligations: tuple[Duty, ...] = ()) -> Policy:
    return Policy("urn:p", "Offer", permissions, prohibitions, obligations=obligations)


def _constraint(term: str, operator: str, value: object, written: str, unit: str = "") -> Constraint:
    return Constraint("urn:c", OPERANDS[term], Operator(operator), (value,), (written,), unit=unit)  # type: ignore[arg-type]


@pytest.mark.parametrize("term", OPERANDS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_operand_can_be_said_with_each_of_its_operators(term: str, language: Any) -> None:
    for operator in sorted(OPERANDS[term].operators):
        said = wording.constraint_text(_constraint(term, operator, "some-value", "some-value"), language)
        assert "some-value" in said or term == "odrl:event"
        assert "{" not in said


def test_every_line_of_the_tables_is_about_something_that_exists() -> None:
    names = {each.name: each for each in OPERANDS.values()}
    for name, operator in CONDITIONS:
        assert operator.partition(":")[0] in names[name].operators
    assert set(MANNERS) <= set(names)
    assert set(OPERATORS) == {each.value for each in Operator}
    assert set(WORDS) <= {word for each in names.values() for word in each.words}


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_clause_is_left_out(name: str, language: Any) -> None:
    policy = odrl.load(template(name, examples(name)))
    said = wording.text(policy, language)
    for rule in policy.rules:
        assert rule.id in said
        for leaf in rule.constraints:
            if isinstance(leaf, Constraint):
                assert wording.constraint_text(leaf, language) in said
    for duty in policy.obligations:
        assert duty.id in said


@pytest.mark.parametrize("name", TEMPLATES)
def test_chinese_is_chinese_and_english_is_english(name: str) -> None:
    policy = odrl.load(template(name, examples(name)))
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in line) for line in wording.clauses(policy, "zh"))
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in wording.text(policy, "en"))


@pytest.mark.parametrize("action", [term for term, each in ACTIONS.items() if "permission" in each.uses])
def test_only_differential_privacy_is_called_private(action: str) -> None:
    policy = _offer(Rule("urn:r", action, (_constraint("hefu:processing", "isAnyOf", "raw", "hefu:raw"),)))
    told = " ".join(wording.guarantees(policy, "en"))
    if action == "hefu:dpQuery":
        assert "No differential privacy guarantee" not in told
        assert wording.warnings(policy, "en") == []
    elif told:
        assert "No differential privacy guarantee" in told


def test_a_prohibition_says_that_it_holds_where_nobody_knows() -> None:
    commerce = _constraint("odrl:purpose", "isA", "dpv:CommercialPurpose", "dpv:CommercialPurpose")
    policy = _offer(Rule("urn:r", "hefu:dpQuery"), prohibitions=(Rule("urn:no", "hefu:compute", (commerce,)),))
    assert "or if that cannot be ruled out" in wording.text(policy)


def test_silence_is_not_taken_for_a_limit() -> None:
    said = wording.text(_offer(Rule("urn:r", "hefu:dpQuery")))
    assert "No purpose is named" in said
    assert "No end is named" in said
    limited = wording.text(odrl.load(template("credit-scoring", examples("credit-scoring"))))
    assert "No purpose is named" not in limited


def test_what_is_not_permitted_is_named() -> None:
    said = wording.text(odrl.load(template("intersection-size", examples("intersection-size"))))
    line = next(each for each in said.splitlines() if "In particular" in each)
    assert ACTIONS["hefu:deliver"].en in line
    assert ACTIONS["hefu:psi"].en not in line


@pytest.mark.parametrize(
    ("name", "en", "zh"),
    [
        ("model-service", "pay 2.5 CNY", "支付 2.5 CNY"),
        ("model-service", "exactly one of these holds", "以下恰有一项成立"),
        ("emergency-use", "inform data-authority, within 1 day of the use", "告知 data-authority"),
        ("emergency-use", "if that is not done in time, besides", "逾期未履行的"),
        ("intersection-no-marketing", "whoever does it all the same must", "违反者须"),
        ("credit-scoring", "at most 20 computations in each day", "每天不超过 20 次"),
        ("office-hours", "Monday to Friday 08:00–18:00 (UTC+08:00)", "周一至周五 08:00–18:00"),
        ("federated-training", "before it begins: have it approved by a person", "开始之前：取得提供方人员的批准"),
        ("research-statistics", "by a factor of at most e^4,", "不超过 e^4，"),
    ],
)
def test_how_it_reads(name: str, en: str, zh: str) -> None:
    policy = odrl.load(template(name, examples(name)))
    assert en in wording.text(policy, "en")
    assert zh in wording.text(policy, "zh")


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_label_of_a_product_agrees_with_the_words(name: str) -> None:
    policy = odrl.load(template(name, examples(name)))
    assert policy.permits_exact() is bool(wording.warnings(policy, "en"))


def test_of_several_budgets_the_largest_is_told_and_exact_answers_are_not_covered() -> None:
    budgets = [_constraint("hefu:epsilonBudget", "lteq", Decimal(each), each) for each in ("1", "4")]
    rules = [Rule(f"urn:r:{index}", "hefu:dpQuery", (each,)) for index, each in enumerate(budgets)]
    assert "e^4," in " ".join(wording.guarantees(_offer(*rules), "en"))
    assert "e^" not in " ".join(wording.guarantees(_offer(*rules, Rule("urn:r:2", "hefu:dpQuery")), "en"))
    mixed = wording.guarantees(_offer(*rules, Rule("urn:x", "hefu:psi")), "en")
    assert "not covered" in mixed[0]


@settings(max_examples=60, deadline=None)
@given(whole_policies)
def test_nothing_of_any_policy_is_left_out(body: Any) -> None:
    policy = odrl.load(body)
    for language in LANGUAGES:
        said = wording.text(policy, language)
        assert all(rule.id in said for rule in policy.rules)
        assert all(duty.id in said for duty in policy.obligations)
        for rule in policy.rules:
            assert all(wording.constraint_text(leaf, language) in said for leaf in leaves(rule))
    lint(policy)


def test_a_name_is_no_word_of_the_vocabulary() -> None:
    column = _constraint("hefu:column", "isPartOf", "raw", "raw")
    party = _constraint("odrl:recipient", "eq", "operator", "urn:hefu:participant:operator")
    assert "raw" in wording.constraint_text(column, "zh")
    assert "operator" in wording.constraint_text(party, "zh")
