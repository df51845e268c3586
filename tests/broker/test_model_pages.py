"""The page of a served model, as a browser gets it: what it answers, and what its answers tell of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hefu_broker.membership import visits
from hefu_policies.budget import Budget
from hefu_policies.goods.product import MODEL, Description
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource
from hefu_policies.goods.served import IDENTITY, Served
from hefu_policies.library import template

from tests.broker.site import Site
from tests.broker.world import Person, description, publish

SERVED = Served("sha256:" + "ab" * 32, IDENTITY, Decimal("0.01"), "ckks-linear", Decimal("0.0075"))


def model() -> Description:
    columns = tuple(
        Column(name, "decimal", unit, bounds=Bounds(Decimal(0), Decimal(100), Decimal("0.01")))
        for name, unit in (("age", "a"), ("income", "kCNY"))
    )
    asset = Resource("res-model", columns, Privacy("row", 1, Budget.of_text("0", releases=100_000)), model=SERVED)
    policy = template(
        "credit-scoring",
        {"models": [SERVED.digest], "columns": ["age", "income"], "until": "2027-11-21T00:00:00Z", "count": 2},
    )
    offer = replace(description().offers[0], id="scores", policy=policy, budget=Budget.of_text("0", releases=2))
    return description("prd-model", kind=MODEL, resources=(asset,), offers=(offer,), title={"en": "Credit scores"})


def test_a_model_s_page_says_what_it_answers_and_how_many_answers_rebuild_it(
    site: Site, provider: Person, consumer: Person
) -> None:
    publish(site.world, provider, model())
    pages = []
    for language in ("en", "zh-CN"):
        cookie = site.enter(consumer, visits.CATALOG, Accept_Language=language)
        status, _, body = site.ask("/products/prd-model", Cookie=cookie, Accept_Language=language)
        assert status == 200
        pages.append(body.decode())
    english, chinese = pages
    for said in (SERVED.digest, "ckks-linear", "0.0075", "3 answers on records of one&#39;s own choice"):
        assert said in english
    assert "100000 records, for ever; that is enough to rebuild" in english
    assert "answers 2 records at most; that is less than one block of 4096, so nothing is answered" in english
    for said in ("就自选记录得到 3 个答复", "永久至多答复 100000 条记录", "不足一批", "密态特征"):
        assert said in chinese
