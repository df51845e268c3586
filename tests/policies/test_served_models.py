"""What a description says of a model: with its schema all that may be known, and nothing where there is none."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hefu import canonical
from hefu.errors import Malformed
from hefu_policies.budget import Budget
from hefu_policies.goods.product import MODEL, Description, Offer
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource
from hefu_policies.goods.served import ANSWERS, IDENTITY, Served
from hefu_policies.library import template

DIGEST = "sha256:" + "ab" * 32
SERVED = Served(DIGEST, IDENTITY, Decimal("0.01"), "ckks-linear", Decimal("0.0075"))
AGE = Column("age", "integer", unit="a", bounds=Bounds(Decimal(18), Decimal(99), Decimal(1)))
PRIVACY = Privacy("row", 1, Budget.of_text("10", "1e-6", releases=1000))


def served(description: Description) -> Description:
    """The description with its resource as a model of the same columns' names."""
    columns = tuple(replace(AGE, name=each.name) for each in description.resources[0].schema)
    names = [each.name for each in columns]
    policy = template(
        "credit-scoring", {"models": [DIGEST], "columns": names, "count": 50, "until": "2027-11-21T00:00:00Z"}
    )
    offer = Offer("off-scores", policy, Budget.of_text("0", releases=50))
    resource = Resource("res-model", columns, PRIVACY, (), SERVED)
    return replace(description, kind=MODEL, resources=(resource,), offers=(offer,))


def test_a_model_s_description_reads_back(description: Description) -> None:
    made = served(description)
    assert Description.of(canonical.decode(canonical.encode(made.body()))) == made
    assert made.resources[0].body()["model"] == {
        "digest": DIGEST, "answer": "identity", "step": "0.01", "suite": "ckks-linear", "tolerance": "0.0075",
    }  # fmt: skip


def test_where_there_is_no_model_no_byte_is_another_than_before(description: Description) -> None:
    assert set(description.resources[0].body()) == {"resource", "schema", "privacy", "facts"}
    with pytest.raises(Malformed):  # one that is null is no second spelling of none
        Resource.of(description.resources[0].body() | {"model": None})


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("digest", "sha256:ab"),
        ("answer", "guess"),
        ("step", "0"),
        ("step", "-1"),
        ("suite", "CKKS"),
        ("tolerance", "0"),
    ],
)
def test_nothing_else_is_said_of_a_model(member: str, value: str) -> None:
    with pytest.raises(Malformed, match=member):
        Served.of(SERVED.body() | {member: value})
    with pytest.raises(Malformed):
        Served.of({name: each for name, each in SERVED.body().items() if name != member})
    assert [Served.of(SERVED.body() | {"answer": each}).answer for each in ANSWERS] == [*ANSWERS]


def test_a_model_counts_records_and_every_feature_has_a_range(description: Description) -> None:
    by_person = Privacy("person", 1, PRIVACY.lifetime)
    person = Column("person", "integer", bounds=AGE.bounds)
    with pytest.raises(Malformed, match="unit"):
        Resource("res-model", (AGE, person), by_person, (), SERVED)
    for column in (replace(AGE, bounds=None), replace(AGE, nullable=True), Column("sex", "text")):
        with pytest.raises(Malformed, match="schema"):
            Resource("res-model", (column,), PRIVACY, (), SERVED)
    with pytest.raises(Malformed, match="kind"):
        replace(served(description), kind="data_product")
    with pytest.raises(Malformed, match="encrypted records"):  # nobody counts, or has delivered, what a model is
        replace(served(description), offers=(*served(description).offers, description.offers[0]))
    with pytest.raises(Malformed, match="kind"):
        replace(served(description), resources=(*served(description).resources, *description.resources))
