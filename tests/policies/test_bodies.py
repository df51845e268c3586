"""Bodies of products and agreements: what is written reads back, and nothing wrong can be built or read."""

import copy
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hefu import canonical
from hefu.canonical import Json, Object
from hefu.errors import Malformed
from hefu_policies.agreeing.contract import Agreement, ContractRequest, Party
from hefu_policies.budget import Budget, PrivacyLoss
from hefu_policies.goods.product import Codes, Description, Offer, Price, Visibility
from hefu_policies.goods.resource import Bounds, Column, Fact, Privacy, Resource
from hefu_policies.reading import write_decimal
from hypothesis import given
from hypothesis import strategies as st

LIFETIME = Budget(PrivacyLoss(10, 0), 5)

steps = st.decimals("0.001", 100, places=3)
counts = st.integers(-(2**40), 2**40)


@st.composite
def all_bounds(draw: st.DrawFn) -> Bounds:
    step, low = draw(steps), draw(counts)
    high = low + draw(st.integers(1, 2**40))
    return Bounds(low * step, high * step, step)


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True).filter(lambda name: name.lower() != "row")
texts = st.text(st.characters(min_codepoint=32, max_codepoint=0x9FFF, exclude_categories=["Cs"]), max_size=20).map(
    lambda text: unicodedata.normalize("NFC", text)
)
columns = st.one_of(
    st.builds(Column, names, st.just("decimal"), texts, texts, st.booleans(), all_bounds()),
    st.builds(
        Column,
        names,
        st.just("text"),
        texts,
        categories=st.lists(texts.filter(bool), min_size=1, max_size=5, unique=True).map(tuple),
        description=st.dictionaries(st.sampled_from(["en", "zh"]), texts.filter(bool)),
    ),
)


@given(columns)
def test_every_column_reads_back(column: Column) -> None:
    body = canonical.decode(canonical.encode(column.body()))
    assert Column.of(body) == column


@given(st.decimals(-(10**12), 10**12, allow_nan=False, allow_infinity=False, places=9))
def test_a_decimal_has_one_spelling(number: Decimal) -> None:
    text = write_decimal(number)
    assert Decimal(text) == number
    assert text == write_decimal(number * 1) == write_decimal(Decimal(text + ("0" if "." in text else ".0")))


def test_a_description_reads_back(description: Description) -> None:
    body = canonical.decode(canonical.encode(description.body()))
    assert Description.of(body) == description


def test_a_description_with_every_optional_part_reads_back(description: Description) -> None:
    full = replace(
        description,
        version=2,
        previous="sha256:" + "0" * 64,
        snapshot_rule="pinned:sha256:" + "1" * 64,
        codes=Codes("table", "computation", "connector", "none"),
        price=Price("12.50", "CNY"),
        offers=(replace(description.offers[0], visibility=Visibility("listed", ("pharma-b",)), approval="manual"),),
        external_ids=({"scheme": "product", "value": "x", "issuer": "", "status": "valid"},),
        extensions={"anything": [1, {"else": None}]},
        keywords=("health",),
    )
    assert Description.of(canonical.decode(canonical.encode(full.body()))) == full


def test_an_agreement_and_a_request_read_back(agreement: Agreement, request_body: ContractRequest) -> None:
    assert Agreement.of(canonical.decode(canonical.encode(agreement.body()))) == agreement
    assert ContractRequest.of(canonical.decode(canonical.encode(request_body.body()))) == request_body


def _objects(value: Json, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Paths of all objects that have members of their own by rule, not by free choice."""
    free = {"description", "title", "extensions", "policy", "changes"}
    if isinstance(value, dict):
        yield path
        for name, member in value.items():
            if name not in free:
                yield from _objects(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _objects(item, (*path, index))


def _at(value: Json, path: tuple[object, ...]) -> dict[str, Json]:
    for step in path:
        value = value[step]  # type: ignore[index,call-overload]
    assert isinstance(value, dict)
    return value


READERS: list[tuple[str, Callable[[Json], object]]] = [
    ("description", Description.of), ("agreement", Agreement.of), ("request_body", ContractRequest.of),
]  # fmt: skip


@pytest.mark.parametrize(("fixture", "read"), READERS)
def test_every_member_is_needed_everywhere(
    fixture: str, read: Callable[[Json], object], request: pytest.FixtureRequest
) -> None:
    body: Object = request.getfixturevalue(fixture).body()
    tried = 0
    for path in _objects(body):
        for name in {*_at(body, path)} - ({"contexts"} if not path else set()):  # agreements of 0.1.0 name none
            less = copy.deepcopy(body)
            del _at(less, path)[name]
            with pytest.raises(Malformed, match=rf"lacks {name}\. Add it"):
                read(less)
            tried += 1
    assert tried > 9


@pytest.mark.parametrize(("fixture", "read"), READERS)
def test_an_unknown_member_is_refused_everywhere_with_its_place(
    fixture: str, read: Callable[[Json], object], request: pytest.FixtureRequest
) -> None:
    body: Object = request.getfixturevalue(fixture).body()
    for path in _objects(body):
        more = copy.deepcopy(body)
        _at(more, path)["surprise"] = 1
        with pytest.raises(Malformed, match="surprise") as caught:
            read(more)
        assert all(str(step) in caught.value.parameters["where"] for step in path)


@pytest.mark.parametrize(("fixture", "read"), READERS)
@pytest.mark.parametrize("wrong", [None, True, 7, "", [], {}, [7], {"x": 7}], ids=repr)
def test_a_member_of_another_type_never_ends_in_another_error(
    fixture: str, read: Callable[[Json], object], wrong: Json, request: pytest.FixtureRequest
) -> None:
    body: Object = request.getfixturevalue(fixture).body()
    for path in _objects(body):
        for name in _at(body, path):
            other = copy.deepcopy(body)
            _at(other, path)[name] = wrong
            try:
                again = read(other)
            except Malformed:
                continue
            assert again.body() == other  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("lower", "upper", "step"),
    [
        ("1", "1", "1"), ("2", "1", "1"), ("0", "1", "0"), ("0", "1", "-1"), ("0", "1", "0.3"), ("0.5", "2", "1"),
        ("NaN", "1", "1"), ("0", "Infinity", "1"), ("0", "9007199254740992", "1"),
    ],
)  # fmt: skip
def test_wrong_bounds_cannot_be_built(lower: str, upper: str, step: str) -> None:
    with pytest.raises(Malformed, match="bounds"):
        Bounds(Decimal(lower), Decimal(upper), Decimal(step))


WRONG_COLUMNS: list[Callable[[], object]] = [
    lambda: Column("", "text"),
    lambda: Column("1st", "text"),
    lambda: Column('x"; drop', "text"),
    lambda: Column("Row", "text"),
    lambda: Column("年龄", "text"),
    lambda: Column("a" * 64, "text"),
    lambda: Column("a", "float"),
    lambda: Column("a", "text", bounds=Bounds(Decimal(0), Decimal(1), Decimal(1))),
    lambda: Column("a", "integer", bounds=Bounds(Decimal(0), Decimal(1), Decimal("0.5"))),
    lambda: Column("a", "text", categories=()),
    lambda: Column("a", "text", categories=("x", "x")),
    lambda: Column("a", "integer", categories=("01",)),
    lambda: Column("a", "integer", categories=("-0",)),
    lambda: Column("a", "integer", categories=("1.0",)),
    lambda: Column("a", "boolean", categories=("True",)),
    lambda: Column("a", "date", categories=("2026-2-1",)),
    lambda: Column("a", "date", categories=("20260201",)),
    lambda: Column("a", "decimal", categories=("1",)),
]


@pytest.mark.parametrize("build", WRONG_COLUMNS)
def test_a_wrong_column_cannot_be_built(build: Callable[[], object]) -> None:
    with pytest.raises(Malformed, match="column"):
        build()


def _resource(**changes: object) -> Resource:
    parts: dict[str, object] = {
        "id": "res-1", "schema": (Column("a", "text"), Column("b", "text")), "privacy": Privacy("a", 2, LIFETIME),
    }  # fmt: skip
    return Resource(**(parts | changes))  # type: ignore[arg-type]


WRONG_RESOURCES: list[tuple[str, Callable[[], object]]] = [
    ("schema", lambda: _resource(schema=())),
    ("twice", lambda: _resource(schema=(Column("a", "text"), Column("a", "text")))),
    ("twice", lambda: _resource(schema=(Column("a", "text"), Column("A", "text")))),
    ("unit", lambda: _resource(privacy=Privacy("absent", 1, LIFETIME))),
    ("twice", lambda: _resource(facts=(Fact("n", "1"), Fact("n", "2")))),
    ("max_contribution", lambda: Privacy("a", 0, LIFETIME)),
    ("max_contribution", lambda: Privacy("a", True, LIFETIME)),
    ("max_contribution", lambda: Privacy("row", 2, LIFETIME)),
    ("neighbouring", lambda: Privacy("a", 1, LIFETIME, "change-one")),
    ("lifetime", lambda: Privacy("a", 1, Budget(PrivacyLoss(0, 0), 0))),
    ("lifetime", lambda: Privacy("a", 1, Budget(PrivacyLoss(1, 0), 0))),
    ("basis", lambda: Fact("n", "1", "guessed")),
]


@pytest.mark.parametrize(("named", "build"), WRONG_RESOURCES)
def test_a_wrong_resource_cannot_be_built(named: str, build: Callable[[], object]) -> None:
    with pytest.raises(Malformed, match=named):
        build()


@pytest.mark.parametrize(
    ("named", "changes"),
    [
        ("version", {"version": 0}),
        ("previous", {"version": 2}),
        ("previous", {"previous": "sha256:" + "0" * 64}),
        ("previous", {"version": 2, "previous": "md5:1"}),
        ("kind", {"kind": "thing"}),
        ("title", {"title": {}}),
        ("snapshot_rule", {"snapshot_rule": "newest"}),
        ("snapshot_rule", {"snapshot_rule": "pinned:newest"}),
        ("security_grade", {"security_grade": 6}),
        ("security_grade", {"security_grade": 0}),
        ("resource", {"resources": ()}),
        ("offer", {"offers": ()}),
    ],
)
def test_a_wrong_description_cannot_be_built(description: Description, named: str, changes: dict[str, object]) -> None:
    with pytest.raises(Malformed, match=named):
        replace(description, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("named", "changes"),
    [
        ("approval", {"approval": "perhaps"}),
        ("budget", {"budget": Budget(PrivacyLoss(0, 0), 1)}),
        ("valid_days", {"valid_days": 0}),
        ("offline_window", {"offline_window_seconds": 86_401}),
        ("offline_share", {"offline_share_percent": 101}),
        ("policy", {"policy": {}}),
    ],
)
def test_a_wrong_offer_cannot_be_built(description: Description, named: str, changes: dict[str, object]) -> None:
    with pytest.raises(Malformed, match=named):
        replace(description.offers[0], **changes)  # type: ignore[arg-type]


def test_an_offer_cannot_grant_more_than_the_lifetime_total(description: Description) -> None:
    generous = replace(description.offers[0], budget=Budget.of_text("11", releases=1))
    with pytest.raises(Malformed, match="lifetime"):
        replace(description, offers=(generous,))


def test_a_policy_cannot_name_a_column_that_no_resource_has(description: Description) -> None:
    policy = copy.deepcopy(description.offers[0].policy)
    hidden: Json = {"leftOperand": "hefu:column", "operator": "isNoneOf", "rightOperand": ["pateint"]}
    policy["permission"][0]["constraint"].append(hidden)  # type: ignore[index,call-overload,union-attr]
    offer = replace(description.offers[0], policy=policy)
    with pytest.raises(Malformed, match="pateint"):
        replace(description, offers=(offer,))


def test_an_agreement_s_policy_is_no_offer(description: Description, agreement: Agreement) -> None:
    with pytest.raises(Malformed, match="Offer"):
        Offer("off-x", agreement.strategies[0].policy, description.offers[0].budget)


def test_visibility_lists_participants_exactly_if_it_is_listed() -> None:
    assert Visibility("listed", ("a-b",)).allows("a-b")
    assert not Visibility("listed", ("a-b",)).allows("a-c")
    assert Visibility().allows("anybody")
    for kind, participants in (("listed", ()), ("members", ("a-b",)), ("all", ()), ("listed", ("a-b", "a-b"))):
        with pytest.raises(Malformed):
            Visibility(kind, participants)


@pytest.mark.parametrize("price", [("-1", "CNY"), ("1e3", "CNY"), ("1", "yuan"), ("1", "cny")])
def test_a_price_is_a_decimal_in_a_currency(price: tuple[str, str]) -> None:
    with pytest.raises(Malformed, match="price"):
        Price(*price)


PROVIDER, CONSUMER = Party("hospital-a", "provider", "h"), Party("pharma-b", "consumer", "p")


@pytest.mark.parametrize(
    ("named", "changes"),
    [
        ("parties", {"parties": (PROVIDER,)}),
        ("parties", {"parties": (PROVIDER, CONSUMER, Party("pharma-c", "consumer", "c"))}),
        ("parties", {"parties": (PROVIDER, Party("hospital-a", "consumer", "h"))}),
        ("strateg", {"parties": (PROVIDER, CONSUMER)}),
        ("strateg", {"strategies": ()}),
        ("resource", {"resources": ()}),
        ("computation", {"computations": ()}),
        ("previous", {"previous": ("md5:0",)}),
        ("description", {"description": "latest"}),
        ("budget", {"budget": Budget(PrivacyLoss(0, 0), 0)}),
        ("neighbouring", {"neighbouring": "change-one"}),
        ("offline", {"offline_share_percent": 200}),
    ],
)
def test_a_wrong_agreement_cannot_be_built(agreement: Agreement, named: str, changes: dict[str, object]) -> None:
    with pytest.raises(Malformed, match=named):
        replace(agreement, **changes)  # type: ignore[arg-type]


def test_an_agreement_ends_after_it_begins(agreement: Agreement, now: datetime) -> None:
    with pytest.raises(Malformed, match="not_after"):
        replace(agreement, not_after=now)
    assert agreement.not_after - agreement.not_before == timedelta(days=365)
