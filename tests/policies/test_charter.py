"""What a charter allows of an offer: a named template of its list, with exactly the policy that the template gives."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hefu.errors import Malformed, Refused
from hefu.membership.charter import Charter
from hefu_policies.bargaining.charter import check_offer
from hefu_policies.budget import Budget
from hefu_policies.goods.product import FromTemplate, Offer
from hefu_policies.library import template

NAME = "open-statistics"
PARAMETERS = {"budget": "1", "columns": ["age"], "until": "2030-01-01T00:00:00Z"}
ANY, SOME, NONE = Charter(1), Charter(1, templates=("research-statistics", NAME)), Charter(1, templates=())


MADE = FromTemplate(NAME, PARAMETERS)


def offer(policy: str = "1", said: FromTemplate | None = MADE) -> Offer:
    made = template(NAME, {**PARAMETERS, "budget": policy})
    return Offer("off-1", made, Budget.of_text("1", releases=10), template=said)


def test_a_template_of_the_charter_with_its_own_policy_is_allowed() -> None:
    for charter in (None, ANY, SOME):
        check_offer(charter, offer())


@pytest.mark.parametrize(
    "said",
    [
        FromTemplate(NAME, {**PARAMETERS, "epsilon": "0.1"}),
        FromTemplate("research-statistics", {**PARAMETERS, "count": 1}),
        FromTemplate(NAME, {}),
        FromTemplate("no-such-template", PARAMETERS),
    ],
)
def test_a_policy_that_is_not_its_templates_is_refused_everywhere(said: FromTemplate) -> None:
    for charter in (None, ANY, SOME, NONE):
        with pytest.raises(Refused) as refused:
            check_offer(charter, offer(said=said))
        assert refused.value.code == "charter.altered"


def test_a_policy_written_by_hand_is_allowed_only_where_any_is() -> None:
    for charter in (None, ANY):
        check_offer(charter, offer(said=None))
    for charter in (SOME, NONE):
        with pytest.raises(Refused):
            check_offer(charter, offer(said=None))
    with pytest.raises(Refused):
        check_offer(replace(SOME, templates=("research-statistics",)), offer())


def test_an_offer_says_what_it_was_made_from_and_one_without_reads_as_before() -> None:
    assert Offer.of(offer().body()) == offer()
    assert "template" not in offer(said=None).body()
    with pytest.raises(Malformed):
        Offer.of({**offer().body(), "template": {"name": NAME}})
