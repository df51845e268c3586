"""Sources, products, requests, releases and marks, as `shelves` promises them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hefu.envelope import Statement
from hefu.errors import Conflict, NotFound
from hefu_connector.ports import ComputationState
from hefu_connector.shelves import Mark, OwnRequest, ProductState, SourceRecord
from hefu_connector.storage import Database, SqlMarks, SqlProducts, SqlRequests, SqlSources
from hefu_policies.goods.product import Description

from tests.contracts.halves import PROVIDER, Halves, description, resource
from tests.contracts.stories import NOW

DRAFTED, PUBLISHED, RETIRED = ProductState
VISITS = SourceRecord("visits", "res-a", "file:///srv/visits.csv", "csv", {"delimiter": ";", "header": True})
LATER = NOW + timedelta(seconds=5)


@pytest.fixture
def sources(database: Database) -> SqlSources:
    return SqlSources(database)


@pytest.fixture
def products(database: Database) -> SqlProducts:
    return SqlProducts(database)


@pytest.fixture
def requests(database: Database) -> SqlRequests:
    return SqlRequests(database)


@pytest.fixture(scope="module")
def halves() -> Halves:
    return Halves()


@pytest.fixture
def again(url: str, opened: Callable[..., Database]) -> Database:
    """The same store, as after a restart."""
    return opened(url)


# ---------------------------------------------------------------- sources


def test_a_source_is_found_by_name_resource_and_uri(sources: SqlSources) -> None:
    sources.add(VISITS)
    sources.add(VISITS)
    found = [sources.find(name="visits"), sources.find(resource="res-a"), sources.find(uri=VISITS.uri)]
    assert found == [VISITS] * 3
    assert list(sources.all()) == [VISITS]
    assert sources.find(name="other") is None
    assert sources.find() is None


@pytest.mark.parametrize(
    "other",
    [
        replace(VISITS, resource="res-b", uri="file:///srv/b.csv"),
        replace(VISITS, name="b", uri="file:///srv/b.csv"),
        replace(VISITS, name="b", resource="res-b"),
    ],
)
def test_name_resource_and_place_each_belong_to_one_source(sources: SqlSources, other: SourceRecord) -> None:
    sources.add(VISITS)
    with pytest.raises(Conflict):
        sources.add(other)
    assert list(sources.all()) == [VISITS]


def test_a_removed_source_does_not_get_a_second_budget_under_another_resource(sources: SqlSources) -> None:
    sources.add(VISITS)
    sources.remove("visits")
    sources.remove("visits")
    assert list(sources.all()) == []
    with pytest.raises(Conflict, match="one budget for life"):
        sources.add(replace(VISITS, resource="res-b"))
    sources.add(replace(VISITS, name="renamed"))
    assert sources.find(resource="res-a") == replace(VISITS, name="renamed")


def test_a_source_may_move_but_not_become_another_asset(sources: SqlSources) -> None:
    beds = SourceRecord("beds", "res-b", "file:///srv/beds.csv", "csv")
    sources.add(VISITS)
    sources.add(beds)
    moved = replace(VISITS, uri="file:///new/visits.parquet", form="parquet", options={})
    sources.change(moved)
    assert sources.find(name="visits") == moved
    for other in (replace(moved, resource="res-c"), replace(moved, uri=beds.uri)):
        with pytest.raises(Conflict):
            sources.change(other)
    with pytest.raises(Conflict, match="one budget for life"):
        sources.change(replace(beds, uri=VISITS.uri))
    with pytest.raises(NotFound):
        sources.change(replace(VISITS, name="absent"))
    assert list(sources.all()) == [beds, moved]


# ---------------------------------------------------------------- products


def second(halves: Halves, first: Statement, **changes: object) -> Statement:
    return halves.published(**({"version": 2, "previous": first.digest()} | changes))


def retirement(halves: Halves, statement: Statement) -> Statement:
    body = {"product": "prd-a", "description": statement.digest(), "reason": "replaced"}
    return halves.say("product.retired", {**body}, PROVIDER)


def test_a_product_is_drafted_published_and_retired(products: SqlProducts, halves: Halves) -> None:
    statement = halves.published()
    drafted = products.keep(statement, DRAFTED)
    assert (drafted.state, drafted.version, drafted.statement) == (DRAFTED, 1, statement)
    assert products.find("prd-a") == products.draft("prd-a") == drafted
    published = products.keep(statement, PUBLISHED)
    assert published == replace(drafted, state=PUBLISHED)
    assert products.keep(statement, DRAFTED) == published
    assert products.draft("prd-a") is None
    last = retirement(halves, statement)
    retired = products.keep(last, RETIRED)
    assert (retired.state, retired.retirement) == (RETIRED, last)
    assert products.keep(last, RETIRED) == products.find("prd-a") == retired
    assert products.keep(statement, PUBLISHED) == retired
    assert list(products.all()) == [retired]


def test_every_version_is_found_by_its_digest_for_good(products: SqlProducts, halves: Halves) -> None:
    first = halves.published()
    products.keep(first, PUBLISHED)
    newer = second(halves, first, title={"en": "Wards, again"})
    products.keep(newer, PUBLISHED)
    old, new = products.described(first.digest()), products.described(newer.digest())
    assert old is not None
    assert new is not None
    assert (old.statement, new.statement) == (first, newer)
    assert products.find("prd-a") == new
    assert products.described("sha256:" + "0" * 64) is None


def test_a_draft_shows_only_where_nothing_is_published(products: SqlProducts, halves: Halves) -> None:
    first = halves.published()
    products.keep(first, PUBLISHED)
    lost, sent = second(halves, first), second(halves, first, security_grade=2)
    products.keep(lost, DRAFTED)
    waiting = products.keep(sent, DRAFTED)
    assert products.draft("prd-a") == waiting
    shown = products.find("prd-a")
    assert shown is not None
    assert shown.version == 1
    products.keep(sent, PUBLISHED)
    assert products.draft("prd-a") is None
    with pytest.raises(Conflict, match="does not follow"):
        products.keep(lost, PUBLISHED)


def test_versions_follow_one_another(products: SqlProducts, halves: Halves) -> None:
    first = halves.published()
    with pytest.raises(Conflict, match="does not follow"):
        products.keep(second(halves, first), PUBLISHED)
    products.keep(first, PUBLISHED)
    for wrong in (
        halves.published(security_grade=2),
        second(halves, first, version=3),
        second(halves, first, previous="sha256:" + "0" * 64),
    ):
        with pytest.raises(Conflict, match="does not follow"):
            products.keep(wrong, PUBLISHED)


def test_a_retired_product_stays_retired(products: SqlProducts, halves: Halves) -> None:
    first = halves.published()
    with pytest.raises(NotFound):
        products.keep(retirement(halves, first), RETIRED)
    products.keep(first, PUBLISHED)
    with pytest.raises(Conflict, match="does not follow"):
        products.keep(retirement(halves, second(halves, first)), RETIRED)
    products.keep(retirement(halves, first), RETIRED)
    with pytest.raises(Conflict, match="is retired"):
        products.keep(second(halves, first), PUBLISHED)
    with pytest.raises(Conflict, match="is retired"):
        products.keep(retirement(halves, first), RETIRED)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"unit": "row"}, "unit"),
        ({"epsilon": "11"}, "lifetime"),
        ({"releases": 1001}, "lifetime"),
    ],
)
@pytest.mark.parametrize("state", [DRAFTED, PUBLISHED])
def test_an_asset_keeps_its_privacy_over_versions_and_products(
    products: SqlProducts, halves: Halves, changed: dict[str, str], what: str, state: ProductState
) -> None:
    first = halves.published()
    products.keep(first, PUBLISHED)
    resources = (resource(**changed),)  # type: ignore[arg-type]
    for wrong in (second(halves, first, resources=resources), halves.published(product="prd-b", resources=resources)):
        with pytest.raises(Conflict, match=what):
            products.keep(wrong, state)


def test_an_assets_total_may_fall_and_then_not_rise_again(products: SqlProducts, halves: Halves) -> None:
    first = halves.published()
    products.keep(first, PUBLISHED)
    products.keep(second(halves, first, resources=(resource(epsilon="2"),)), PUBLISHED)
    with pytest.raises(Conflict, match="lifetime"):
        products.keep(halves.published(product="prd-b"), PUBLISHED)


def test_a_draft_fixes_nothing_of_an_asset(products: SqlProducts, halves: Halves) -> None:
    products.keep(halves.published(resources=(resource(unit="row"),)), DRAFTED)
    assert products.keep(halves.published(), PUBLISHED).state is PUBLISHED


def test_products_are_found_by_resource(products: SqlProducts, halves: Halves) -> None:
    for product, resources in (("prd-a", "a"), ("prd-b", "b"), ("prd-c", "ab")):
        held = tuple(resource(f"res-{each}") for each in resources)
        products.keep(halves.published(product=product, resources=held), PUBLISHED)
    assert [each.product for each in products.all()] == ["prd-a", "prd-b", "prd-c"]
    assert [each.product for each in products.all("res-b")] == ["prd-b", "prd-c"]
    assert list(products.all("res-z")) == []


def test_a_product_is_read_from_what_was_signed(products: SqlProducts, halves: Halves) -> None:
    found = products.keep(halves.published(), PUBLISHED)
    assert isinstance(found.description, Description)
    assert found.description.body() == description().body()


# ---------------------------------------------------------------- requests and releases

ASKED = OwnRequest("cmp-1", "hospital-a", ("agr-1",), b"the signed request", NOW, NOW)
RELEASED = ComputationState.RELEASED


def test_a_request_is_kept_before_it_is_sent(requests: SqlRequests, again: Database) -> None:
    assert requests.keep(ASKED) == ASKED
    assert requests.keep(ASKED) == ASKED
    assert SqlRequests(again).find("cmp-1") == ASKED
    assert list(SqlRequests(again).unfinished()) == [ASKED]
    for other in (replace(ASKED, envelope=b"another"), replace(ASKED, peer="hospital-b")):
        with pytest.raises(Conflict, match="Another request"):
            requests.keep(other)


def test_a_request_is_finished_once_its_receipt_and_all_parts_are_here(requests: SqlRequests) -> None:
    requests.keep(ASKED)
    running = requests.advance("cmp-1", ComputationState.RUNNING, LATER)
    assert (running.state, running.updated, running.finished) == (ComputationState.RUNNING, LATER, False)
    assert not requests.advance("cmp-1", RELEASED, LATER).finished
    received = requests.receive("cmp-1", RELEASED, b"receipt", 2, LATER)
    assert requests.receive("cmp-1", RELEASED, b"receipt", 2, LATER) == received
    assert (received.receipt, received.parts, received.held, received.finished) == (b"receipt", 2, 0, False)
    assert [each.id for each in requests.unfinished()] == ["cmp-1"]
    requests.add("cmp-1", 0, b"one")
    requests.add("cmp-1", 0, b"one")
    requests.add("cmp-1", 1, b"two")
    assert list(requests.parts("cmp-1")) == [b"one", b"two"]
    requests.opened("cmp-1", "answers/cmp-1.csv")
    done = requests.find("cmp-1")
    assert done is not None
    assert (done.held, done.finished, done.answer) == (2, True, "answers/cmp-1.csv")
    assert list(requests.unfinished()) == []


def test_a_refusal_has_a_receipt_and_no_parts(requests: SqlRequests) -> None:
    requests.keep(ASKED)
    assert requests.receive("cmp-1", ComputationState.REFUSED, b"refusal", 0, LATER).finished
    with pytest.raises(NotFound):
        requests.add("cmp-1", 0, b"one")


def test_a_request_that_was_turned_down_without_a_receipt_is_finished(requests: SqlRequests) -> None:
    requests.keep(ASKED)
    down = requests.advance("cmp-1", None, LATER, fault="request.malformed")
    assert down.finished
    assert requests.advance("cmp-1", None, LATER, fault="request.malformed") == down
    assert list(requests.unfinished()) == []
    with pytest.raises(Conflict, match="first end stands"):
        requests.advance("cmp-1", ComputationState.RUNNING, LATER)
    with pytest.raises(Conflict, match="first end stands"):
        requests.receive("cmp-1", RELEASED, b"receipt", 1, LATER)


def test_the_first_receipt_stands(requests: SqlRequests) -> None:
    requests.keep(ASKED)
    requests.receive("cmp-1", RELEASED, b"receipt", 1, LATER)
    for state, receipt, parts in (
        (RELEASED, b"another", 1),
        (RELEASED, b"receipt", 2),
        (ComputationState.FAILED, b"receipt", 1),
    ):
        with pytest.raises(Conflict):
            requests.receive("cmp-1", state, receipt, parts, LATER)
    with pytest.raises(Conflict, match="first end stands"):
        requests.advance("cmp-1", ComputationState.FAILED, LATER)


def test_a_late_word_about_a_finished_request_changes_nothing(requests: SqlRequests) -> None:
    requests.keep(ASKED)
    ended = requests.receive("cmp-1", RELEASED, b"receipt", 0, LATER)
    assert requests.advance("cmp-1", ComputationState.RUNNING, LATER + timedelta(seconds=1)) == ended
    assert requests.find("cmp-1") == ended


def test_an_end_once_told_is_not_told_otherwise(requests: SqlRequests) -> None:
    requests.keep(ASKED)
    requests.advance("cmp-1", ComputationState.FAILED, LATER)
    with pytest.raises(Conflict, match="first end stands"):
        requests.receive("cmp-1", RELEASED, b"receipt", 1, LATER)


def test_parts_arrive_in_order_and_do_not_change(requests: SqlRequests) -> None:
    requests.keep(ASKED)
    with pytest.raises(NotFound):
        requests.add("cmp-1", 0, b"one")
    requests.receive("cmp-1", RELEASED, b"receipt", 2, LATER)
    with pytest.raises(Conflict):
        requests.add("cmp-1", 1, b"two")
    requests.add("cmp-1", 0, b"one")
    with pytest.raises(Conflict):
        requests.add("cmp-1", 0, b"other")
    for index in (-1, 2):
        with pytest.raises(NotFound):
            requests.add("cmp-1", index, b"three")
    assert list(requests.parts("cmp-1")) == [b"one"]


def test_nothing_is_noted_about_a_request_that_is_not_kept(requests: SqlRequests) -> None:
    for act in (
        lambda: requests.advance("cmp-1", RELEASED, NOW),
        lambda: requests.receive("cmp-1", RELEASED, b"receipt", 0, NOW),
        lambda: requests.add("cmp-1", 0, b""),
        lambda: requests.opened("cmp-1", "x"),
    ):
        with pytest.raises(NotFound):
            act()
    assert requests.find("cmp-1") is None
    assert list(requests.parts("cmp-1")) == []


def test_requests_come_newest_first_page_by_page(requests: SqlRequests) -> None:
    for number in range(5):
        requests.keep(replace(ASKED, id=f"cmp-{number}"))
    first = requests.all(3)
    rest = requests.all(9, before=first[-1].id)
    assert [each.id for each in [*first, *rest]] == [f"cmp-{number}" for number in (4, 3, 2, 1, 0)]


# ---------------------------------------------------------------- marks


def test_a_mark_never_falls_back_not_even_after_a_restart(database: Database, again: Database) -> None:
    marks = SqlMarks(database)
    marks.advance(Mark("status", 7, "list 7"))
    marks.advance(Mark("status", 9, "list 9"))
    marks.advance(Mark("status", 9, "list 9, signed again"))
    for each in (marks, SqlMarks(again)):
        with pytest.raises(Conflict, match="would fall back"):
            each.advance(Mark("status", 8, "list 8"))
        assert each.find("status") == Mark("status", 9, "list 9, signed again")


def test_marks_are_listed_by_the_beginning_of_their_names(database: Database) -> None:
    marks = SqlMarks(database)
    for name in ("member/b", "member/a", "Member/c", "member_x", "m%"):
        marks.advance(Mark(name, 1))
    assert [each.name for each in marks.all("member/")] == ["member/a", "member/b"]
    assert [each.name for each in marks.all("member_")] == ["member_x"]
    assert [each.name for each in marks.all("m%")] == ["m%"]
    assert len(marks.all()) == 5


def test_a_removed_mark_is_gone(database: Database) -> None:
    marks = SqlMarks(database)
    marks.advance(Mark("a", 2))
    marks.remove("a")
    marks.remove("a")
    assert marks.find("a") is None
