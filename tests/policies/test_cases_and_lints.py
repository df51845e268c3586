"""Cases that stand next to a policy, and what an author should look at again."""

from pathlib import Path
from typing import Any

import pytest
from hefu.errors import Malformed
from hefu.messages import MESSAGES
from hefu_policies import odrl
from hefu_policies.authoring import lints
from hefu_policies.authoring.cases import read_cases, run
from hefu_policies.authoring.lints import lint
from hefu_policies.authoring.possibilities import enforceable
from hefu_policies.deciding.policy import Policy, Rule
from hefu_policies.library import examples, template
from hefu_policies.library.rules import duty, need, permission, written
from hefu_policies.words.terms import CONTEXTS, PROFILE

CONTRACT = enforceable(odrl.load(template("research-statistics", examples("research-statistics"))))
SHARED = {
    "purpose": "dpv:ScientificResearch", "epsilonBudget": "1", "minGroup": "20", "column": "age, region",
    "outputKind": "Histogram", "dateTime": "2027-01-01T00:00:00Z", "count": 1,
}  # fmt: skip


def _outcome(**case: Any) -> tuple[str, ...]:
    body = {"name": "a case", "ask": "hefu:dpQuery", "facts": {"epsilon": "0.5"}, **case}
    (found,) = read_cases({"facts": SHARED, "cases": [body]})
    return run(CONTRACT, found).faults


@pytest.mark.parametrize(
    ("case", "faults"),
    [
        ({"expect": "permit"}, ()),
        ({"expect": "permit_after_duties", "duties": ["hefu:log"]}, ()),
        ({"expect": "permit_at_once"}, ("effect",)),
        ({"expect": "permit_at_once", "performed": ["hefu:log"]}, ()),
        ({"expect": "permit", "duties": []}, ("duties",)),
        ({"expect": "refuse"}, ("effect",)),
        ({"expect": "refuse", "facts": {"epsilon": "0.6"}, "because": ["urn:c:epsilon"]}, ()),
        ({"expect": "refuse", "facts": {"epsilon": "0.6"}, "because": ["urn:c:group"]}, ("because",)),
        ({"expect": "default_deny", "facts": {"epsilon": None}}, ()),
        ({"expect": "deny", "facts": {"epsilon": "0.5", "purpose": "dpv:Marketing"}}, ("effect",)),
        ({"expect": "deny", "facts": {"epsilon": "0.5", "purpose": "dpv:SellProducts"}}, ("effect",)),
        ({"expect": "deny", "facts": {"epsilon": "0.5", "purpose": "dpv:CommercialResearch"}}, ()),
        ({"expect": "deny", "facts": {"purpose": "dpv:CommercialResearch"}, "because": ["urn:no:commercial"]}, ()),
        ({"expect": "deny", "facts": {"purpose": "dpv:CommercialResearch"}, "because": ["urn:c:commercial"]}, ()),
        (
            {"expect": "refuse", "facts": {"epsilon": "0.6"}, "because": ["urn:c:commercial"]},
            ("because",),
        ),
        ({"expect": "refuse", "consumer": "somebody-else"}, ()),
        ({"expect": "permit", "phase": "admission", "facts": {"epsilon": "0.5", "minGroup": None}}, ()),
    ],
)
def test_what_comes_out_is_held_against_what_is_expected(case: dict[str, Any], faults: tuple[str, ...]) -> None:
    assert _outcome(**case) == faults


@pytest.mark.parametrize(
    "body",
    [
        {"cases": []},
        {"cases": [{"name": "x", "ask": "hefu:dpQuery"}]},
        {"cases": [{"name": "x", "ask": "hefu:dpQuery", "expect": "perhaps"}]},
        {"cases": [{"name": "x", "ask": "hefu:guess", "expect": "permit"}]},
        {"cases": [{"name": "x", "ask": "hefu:dpQuery", "expect": "permit", "facts": {"mood": "good"}}]},
        {"cases": [{"name": "x", "ask": "hefu:dpQuery", "expect": "permit", "facts": {"count": "many"}}]},
    ],
)
def test_a_file_that_means_nothing_is_refused(body: Any) -> None:
    with pytest.raises(Malformed):
        read_cases(body)


def _policy(*rules: Rule, **more: Any) -> Policy:
    head = {
        "@context": [*CONTEXTS], "@id": "urn:p", "@type": "Offer", "profile": [PROFILE], "conflict": "prohibit",
    }  # fmt: skip
    return odrl.load(head | written(rules, **more))  # type: ignore[operator]


def _codes(*rules: Rule, **more: Any) -> set[str]:
    return {each.code.removeprefix("lint.") for each in lint(_policy(*rules, **more))}


COLUMN = need("column", "hefu:column", "isPartOf", "age")
BUDGET = need("budget", "hefu:epsilonBudget", "lteq", "1")
KEEP = need("keep", "hefu:retention", "lteq", "P1D")
FOLLOWED = duty("pay", "odrl:attribute", KEEP, otherwise=[duty("more", "odrl:inform")])
DELIVERED = need("how", "hefu:processing", "isAnyOf", "raw")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (permission("r", "hefu:dpQuery", []), {"no_purpose", "no_end", "no_output", "no_columns", "no_epsilon"}),
        (permission("r", "hefu:dpQuery", [BUDGET]), {"no_cap"}),
        (
            permission("r", "hefu:dpQuery", [BUDGET, need("cap", "hefu:epsilon", "lteq", "2")]),
            {"cap_above_budget"},
        ),
        (permission("r", "hefu:aggregateQuery", [COLUMN]), {"endless", "no_group"}),
        (permission("r", "hefu:teeExecute", [COLUMN]), {"no_program", "no_attestation"}),
        (permission("r", "hefu:heInference", [COLUMN]), {"no_model"}),
        (permission("r", "hefu:federatedTrain", [COLUMN]), {"plain_updates", "two_parties"}),
        (permission("r", "hefu:dpQuery", [], duty("pay", "odrl:compensate")), {"no_amount"}),
        (permission("r", "hefu:dpQuery", [], duty("late", "odrl:attribute")), {"no_deadline"}),
        (permission("r", "hefu:deliver", [DELIVERED]), {"no_deletion"}),
        (permission("r", "hefu:dpQuery", [], FOLLOWED), {"no_deadline"}),
        (Rule("urn:r", "hefu:dpQuery"), {"no_log"}),
    ],
    ids=lambda each: each.action if isinstance(each, Rule) else "",
)
def test_what_is_careless_is_named(rule: Rule, expected: set[str]) -> None:
    assert expected <= _codes(rule)


def test_what_is_said_is_not_missed() -> None:
    rule = permission("r", "hefu:dpQuery", [COLUMN, BUDGET, need("cap", "hefu:epsilon", "lteq", "1")])
    assert not {"no_columns", "no_cap", "cap_above_budget", "no_epsilon", "no_log"} & _codes(rule)
    delivered = permission("r", "hefu:deliver", [DELIVERED])
    assert "no_deletion" not in _codes(delivered, obligations=[duty("delete", "odrl:delete", KEEP)])


def test_every_remark_has_a_use_and_a_sentence() -> None:
    source = Path(lints.__file__).read_text("utf-8")
    codes = {code for code in MESSAGES if code.startswith("lint.")}
    assert codes
    assert [code for code in codes if f'"{code}"' not in source] == []
