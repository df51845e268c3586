"""Attacks on a provider's queries: by consumers, alone or together, by rows of the table itself, and by races."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hefu import canonical
from hefu.canonical import Json, Object
from hefu.envelope import Statement
from hefu.errors import Malformed, NotFound, Refused, Unavailable
from hefu.keeping import keys
from hefu.keeping.keys import FileSigner
from hefu.statements import receipt
from hefu_connector.computing import guard
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.enforcement import Enforcement
from hefu_connector.computing.predicates import All, Compare, In, IsNull, Literal
from hefu_connector.engines import counting, tables
from hefu_connector.engines.shape import Shape
from hefu_connector.ports import FINAL, Account, Answer, ComputationState, Prepared, Run
from hefu_connector.sources import database
from hefu_policies.budget import Budget, Charge, PrivacyLoss
from hefu_policies.goods.resource import Bounds, Column, Privacy, Resource

from tests.connector import engine_world as small
from tests.connector.world import CONSUMER, PROVIDER, ROWS, Space

HALF = Charge(PrivacyLoss(500_000_000))


@pytest.fixture
def space(tmp_path: Path) -> Iterator[Space]:
    made = Space(tmp_path)
    yield made
    made.workers.gate.set()
    made.enforcement.close()


def ask(space: Space, statement: Statement) -> Run:
    run = space.enforcement.create(statement, CONSUMER)
    while run.state not in FINAL:
        run = space.enforcement.wait(run.id, CONSUMER, 10)
    return run


def told(run: Run) -> receipt.Receipt:
    return receipt.Receipt.of(Statement.parse(run.receipt or b""))


def refusal(run: Run) -> receipt.Refusal:
    assert run.state is ComputationState.REFUSED
    return receipt.Refusal.of(Statement.parse(run.receipt or b""))


def spent(space: Space, name: str = "agreement/agr-one") -> Charge:
    return space.ledger.balance(Account(name, Budget.of_text("1", releases=1))).charged


def opened(space: Space, run: Run) -> Answer:
    part = space.enforcement.part(run.id, CONSUMER, 0)
    return guard.read(keys.unseal(part, space.sealing[CONSUMER], guard.info(run.id, "agr-one", 0)), run.id)[0]


def with_rules(space: Space, **rules: Any) -> Enforcement:
    space.enforcement.close()
    world = space.enforcement._world
    space.enforcement = Enforcement(replace(world, rules=replace(world.rules, **rules)))
    return space.enforcement


def exact(prepared: Prepared, path: Path, form: str) -> list[list[int]]:
    """The true numbers before noise, through the reader that a worker uses."""
    return counting._count(Shape.of(prepared.parameters["shape"]), tables.open_table(path, form, {}))[0]


def distance(one: Sequence[int], other: Sequence[int]) -> int:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


# ---------------------------------------------------------------- Q-a: what one unit loses, by whatever way


def test_q_a_a_receipt_does_not_confirm_a_guess_of_the_whole_table(space: Space) -> None:
    """The strong adversary of the definition knows every row but one, and tries all values of that one."""
    run = ask(space, space.request())
    guesses = [ROWS.replace("p7,27,", f"p7,{age},").encode() for age in range(120)]
    assert space.file.read_bytes() in guesses, "the attack is real: one guess is right"
    said = run.receipt or b""
    payload = Statement.parse(said).payload
    assert not any(canonical.digest(each)[7:].encode() in payload for each in guesses)


def test_q_a_two_receipts_do_not_tell_whether_the_table_changed_between_them(space: Space) -> None:
    first, second = (told(ask(space, space.request())) for _ in range(2))
    assert first.snapshot != second.snapshot


def test_q_a_the_provider_alone_can_open_what_a_receipt_says_of_the_table(space: Space) -> None:
    run = ask(space, space.request())
    digest = canonical.digest(space.file.read_bytes())
    salts = {
        name: hashlib.sha256(space.signers[name].sign(f"hefu snapshot salt {run.id}".encode())).digest()
        for name in (PROVIDER, CONSUMER)
    }
    assert receipt.commit("snapshot", digest, salts[PROVIDER]) == told(run).snapshot
    assert receipt.commit("snapshot", digest, salts[CONSUMER]) != told(run).snapshot


def test_q_a_an_agreed_digest_is_told_as_it_was_agreed(space: Space) -> None:
    rule = f"pinned:{canonical.digest(space.file.read_bytes())}"
    pinned = replace(space.contract.agreement, snapshot_rule=rule)
    space.contracts.held["agr-one"] = replace(space.contract, agreement=pinned)
    assert f"pinned:{told(ask(space, space.request())).snapshot}" == rule


def test_q_a_a_newer_description_with_a_larger_total_does_not_enlarge_the_asset(tmp_path: Path) -> None:
    space = Space(tmp_path, budget="1", lifetime="1")
    ask(space, space.request())
    space.agree("50", 100, "50", agreement="agr-two")
    states = [ask(space, space.request(agreement="agr-two")).state for _ in range(4)]
    assert states.count(ComputationState.RELEASED) == 1
    assert spent(space, "asset/res-admissions").loss == PrivacyLoss.of_text("1")
    space.enforcement.close()


def test_q_a_the_same_question_twice_is_noised_anew(tmp_path: Path) -> None:
    plan = small.plan(Aggregate("histogram", "n", "age", bins=100), loss=small.SMALL)
    path = small.write(tmp_path / "t.parquet", [{"person": "a", "age": 7}])
    first, second = (small.run(small.prepare(plan), path) for _ in range(2))
    assert first.rows != second.rows, "100 independent draws of scale 2 agree with a probability below 10^-60"


def test_q_a_the_same_question_twice_is_charged_twice(space: Space) -> None:
    for _ in range(2):
        ask(space, space.request())
    assert spent(space) == HALF + HALF


# ---------------------------------------------------------------- Q-b: one unit moves an answer by what was declared


def _plans() -> list[Plan]:
    ages, in_region = Aggregate("sum", "s", "age"), Literal("text", "north")
    day = Compare("day", ">=", Literal("date", "2020-01-02"))
    return [
        small.plan(Aggregate("count", "n"), Aggregate("count", "k", "income"), by=("region", "active", "grade")),
        small.plan(ages, Aggregate("mean", "m", "income"), by=("region",), where=All((day, IsNull("seen")))),
        small.plan(Aggregate("histogram", "h", "income", bins=7), by=("grade", "active")),
        small.plan(Aggregate("mean", "m", "age"), where=In("region", (in_region, Literal("text", "east")))),
    ]


def _row(chance: random.Random) -> Object:
    ages = [-(2**63), -1, 0, 50, 100, 2**63 - 1, None]
    incomes = [float("nan"), float("inf"), -1e308, -50.0, 0.125, 0.375, 200.0, None]
    days = [None, datetime(2020, 1, 1, tzinfo=UTC).date(), datetime(9999, 12, 31, tzinfo=UTC).date()]
    found: dict[str, Any] = {
        "person": chance.choice(["a", "b", "c", "", None]),
        "region": chance.choice(["north", "south", "east", "mars", None]),
        "age": chance.choice(ages),
        "income": chance.choice(incomes),
        "active": chance.choice([True, False, None]),
        "day": chance.choice(days),
        "seen": None,
        "grade": chance.choice([1, 2, 3, None]),
    }
    return found


@pytest.mark.parametrize("index", range(4))
def test_q_b_without_any_one_unit_no_measure_moves_more_than_its_noise_is_for(
    index: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(index)
    prepared = small.prepare(_plans()[index], small.resource(contribution=3), 3)
    measures = Shape.of(prepared.parameters["shape"]).measures
    monkeypatch.setattr("secrets.randbits", lambda _: 7)  # neighbours are compared under one salt
    rows = [_row(chance) for _ in range(60)]
    whole = exact(prepared, small.write(tmp_path / "w.parquet", rows), "parquet")
    for person in ("a", "b", "c", ""):
        others = [each for each in rows if each["person"] != person]
        chance.shuffle(others)  # the order of rows is nobody's business
        without = exact(prepared, small.write(tmp_path / "o.parquet", others), "parquet")
        for one, other, measure in zip(whole, without, measures, strict=True):
            assert distance(one, other) <= measure.sensitivity.l1


@pytest.mark.parametrize(
    ("kind", "units"), [("text", (b"p\xff", b"p\xfe")), ("integer", (b"1", b"1.4")), ("integer", (b"12", b"11.6"))]
)
def test_q_b_two_units_that_read_the_same_are_not_bounded_as_one(
    kind: str, units: tuple[bytes, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the rows of one would push the other's out of the bound, and one unit would move twice what it may."""
    columns = (Column("person", kind), *small.COLUMNS[1:])
    of = small.resource(contribution=2, columns=columns)
    prepared = small.prepare(small.plan(by=("region",)), of)
    limit = 2
    head, first, second = b"person,region\n", units[0] + b",north\n", units[1] + b",south\n"
    path = tmp_path / "t.csv"

    def count(data: bytes) -> list[int]:
        path.write_bytes(head + data)
        return exact(prepared, path, "csv")[0]

    for salt in range(4):
        monkeypatch.setattr("secrets.randbits", lambda _, salt=salt: salt)
        both = count(first * 4 + second * 4)
        assert distance(both, count(first * 4)) <= limit
        assert distance(both, count(second * 4)) <= limit


@pytest.mark.parametrize("kind", ["decimal", "timestamp", "date", "boolean"])
def test_q_b_a_unit_of_a_type_that_rounds_is_not_accepted(kind: str) -> None:
    with pytest.raises(Malformed):
        Resource("res-x", (Column("who", kind),), Privacy("who", 1, Budget.of_text("1", releases=1)))


@pytest.mark.parametrize("member", ["max_contribution", "sensitivity", "bounds", "minimum", "unit", "seed"])
def test_q_b_a_plan_that_names_its_own_bounds_is_refused(member: str, space: Space) -> None:
    run = ask(space, space.request(plan={**space.plan("0.5"), member: 1}))
    assert refusal(run).code == "contract.unknown"
    assert spent(space).releases == 0


def test_q_b_bounds_at_the_end_of_what_a_bound_may_be_do_not_overflow(tmp_path: Path) -> None:
    bounds = Bounds(Decimal(-(2**53) + 1), Decimal(2**53 - 1), Decimal(1))
    of = small.resource(columns=(Column("person", "text"), Column("age", "integer", bounds=bounds)), contribution=1)
    prepared = small.prepare(small.plan(Aggregate("sum", "s", "age"), Aggregate("mean", "m", "age")), of)
    rows = [{"person": str(i), "age": 2**63 - 1} for i in range(600)]  # the exact sum is above 2^62
    values = small.run(prepared, small.write(tmp_path / "t.parquet", rows)).rows[0]
    assert abs(int(values[0] or "0") - 2**62) < 2**53  # clamped, which brings neighbours no further apart


# ---------------------------------------------------------------- Q-c: nothing of a value decides whether there is one


def _bad_text() -> Any:
    return pa.array([b"p\xff", b"north"], pa.binary()).view(pa.string())


def _far(unit: str, zone: str | None = None) -> Any:
    return pa.array([2**62, 0], pa.int64()).view(pa.timestamp(unit, zone))


ODD: list[tuple[str, Any, Plan]] = [
    ("person", _bad_text(), small.plan()),
    ("region", _bad_text(), small.plan(by=("region",))),
    ("region", _bad_text(), small.plan(where=Compare("region", "=", Literal("text", "north")))),
    *(
        ("seen", _far(unit, zone), small.plan(where=Compare("seen", "<", Literal("timestamp", "2020-01-01T00:00:00Z"))))
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "UTC")
    ),
    ("age", pa.array([2**64 - 1, 0], pa.uint64()), small.plan(Aggregate("sum", "s", "age"))),
    ("day", pa.array([2**31 - 1, -(2**31)], pa.int32()).view(pa.date32()), small.plan(where=IsNull("day"))),
]


@pytest.mark.parametrize("form", ["parquet", "arrow"])
@pytest.mark.parametrize("index", range(len(ODD)))
def test_q_c_no_value_of_a_row_makes_a_query_fail(index: int, form: str, tmp_path: Path) -> None:
    name, column, plan = ODD[index]
    if form == "parquet" and pa.types.is_timestamp(column.type) and column.type.unit == "s":
        pytest.skip("Parquet has no seconds")
    table = pa.table({"person": ["a", "b"]} | {name: column} if name != "person" else {name: column})
    path = tmp_path / "t"
    if form == "parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        with pyarrow.ipc.new_file(str(path), table.schema) as file:
            file.write_table(table)
    assert small.run(small.prepare(plan), path, form).rows


ODD_CELLS = ["infinity", "1e999", "nan", "-0", "9" * 400, "290309-12-22 (BC) 00:00:00", "2020-01-01 00:00 Europe/Paris"]


def _csv(path: Path, cells: Sequence[str]) -> Path:
    path.write_text("person,age,seen,day,income,region\n" + ",".join(cells) + "\nb,1,,,,north\n")
    return path


@pytest.mark.parametrize("cell", [*ODD_CELLS, "x\0y"], ids=range(len(ODD_CELLS) + 1))
def test_q_c_no_cell_of_a_csv_makes_a_query_fail(cell: str, tmp_path: Path) -> None:
    path = _csv(tmp_path / "t.csv", [cell] * 6)
    where = All((Compare("seen", "<", Literal("timestamp", "2020-01-01T00:00:00Z")), IsNull("day")))
    for plan in (small.plan(Aggregate("mean", "m", "income"), by=("region",)), small.plan(where=where)):
        assert small.run(small.prepare(plan), path, "csv").rows


def test_q_c_a_cell_larger_than_what_is_read_at_once_makes_no_query_fail(tmp_path: Path) -> None:
    path = _csv(tmp_path / "t.csv", ["a", "1", "", "", "", '"' + "x" * (9 << 20) + '"'])
    assert small.run(small.prepare(small.plan()), path, "csv").rows == (("2",),)


@pytest.mark.parametrize(
    "value",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=8))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-8))),
        Decimal("NaN"),
        Decimal("1E+999999"),
        "p\ud800",
        b"\xff",
    ],
)
def test_q_c_no_value_of_a_database_makes_a_reading_fail(value: object) -> None:
    written = database.write(value)
    assert written in (None, "p�")


def test_q_c_nothing_in_a_receipt_counts_the_rows(space: Space) -> None:
    bodies = []
    for extra in ("", "p7,27,north\n" * 50):
        space.file.write_text(ROWS + extra)
        made = told(ask(space, space.request()))
        bodies.append((made.meters.rows, made.meters.calls, made.output.cells, made.charge, made.mechanisms))
    assert bodies[0] == bodies[1]


def test_q_c_when_a_computation_ended_is_not_told_before_its_tick_nor_more_exactly(space: Space) -> None:
    enforcement = with_rules(space, quantum_seconds=60.0)
    run = enforcement.create(space.request(), CONSUMER)
    begun = run.updated
    space.clock.move(7)
    enforcement.close()  # waits for the computation, which ends now, within the quantum
    before = enforcement.view(run.id, CONSUMER)
    assert (before.state, before.receipt, before.parts) == (ComputationState.RUNNING, None, 0)
    assert before.updated == begun, "the time of a change tells when the computation ended"
    with pytest.raises(NotFound):
        enforcement.part(run.id, CONSUMER, 0)
    space.clock.move(60)
    assert enforcement.view(run.id, CONSUMER).updated == begun + timedelta(seconds=60)


def test_q_c_cancelling_after_the_end_and_before_the_tick_changes_nothing_and_gives_nothing_back(space: Space) -> None:
    enforcement = with_rules(space, quantum_seconds=60.0)
    run = enforcement.create(space.request(), CONSUMER)
    enforcement.close()
    assert enforcement.cancel(run.id, CONSUMER).state is ComputationState.RUNNING
    assert spent(space) == HALF


def test_q_c_a_refusal_does_not_tell_what_others_spent_of_the_asset(tmp_path: Path) -> None:
    """The reasons of an exhausted asset are the same whatever other agreements left of it."""
    found = set()
    for times in (1, 2):
        folder = tmp_path / str(times)
        folder.mkdir()
        space = Space(folder, budget="1.2", lifetime="1.2")
        space.agree("1.2", 100, "1.2", agreement="agr-two")
        for _ in range(times):
            assert ask(space, space.request(agreement="agr-two")).state is ComputationState.RELEASED
        body = space.plan("0.4")
        while (run := ask(space, space.request(plan=body))).state is ComputationState.RELEASED:
            pass
        found.add(refusal(run).reasons)
        space.enforcement.close()
    assert len(found) == 1


# ---------------------------------------------------------------- Q-f, T-e, A-c: hostile requests


@pytest.mark.parametrize(
    "change",
    [
        {"resource": []},
        {"resource": {"a": 1}},
        {"resource": 7},
        {"resource": "̸"},
        {"aggregates": {}},
        {"aggregates": [{"function": "sum", "alias": 's") FROM src; --', "column": "age"}]},
        {"group_by": ['region" UNION SELECT 1']},
        {"group_by": [["region"]]},
        {"filter": {"compare": {"column": "age", "operator": "= 1 OR 1 =", "value": {"integer": "1"}}}},
        {"filter": {"compare": {"column": "age", "operator": "=", "value": {"integer": "9223372036854775808"}}}},
        {"filter": {"sql": "1=1"}},
        {"loss": {"epsilon_nano": 0, "delta_femto": 0}},
        {"loss": {"epsilon_nano": 2**53 - 1, "delta_femto": 0}},
        {"loss": {"epsilon_nano": 1, "delta_femto": 1}},
        {"product": "prd-other"},
        {"version": 2},
    ],
    ids=str,
)
def test_t_e_every_hostile_plan_ends_as_a_journalled_refusal_that_costs_nothing(change: Object, space: Space) -> None:
    run = ask(space, space.request(plan={**space.plan("0.5"), **change}))
    assert refusal(run).computation == run.id
    assert not list(space.journal.unfinished())
    assert spent(space).releases == 0


@pytest.mark.parametrize("purpose", ["̸", "dpv:ScientificResearch ", "x" * 200, "{0}", "{purpose.__class__}"], ids=repr)
def test_t_e_a_hostile_purpose_is_refused_and_journalled(purpose: str, space: Space) -> None:
    assert refusal(ask(space, space.request(purpose=purpose))).reasons


def test_t_e_a_defect_in_admission_ends_the_request_and_is_journalled(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(space.contracts, "load", broken)
    assert refusal(ask(space, space.request())).code == "internal"


def test_q_f_text_of_a_filter_is_a_value_and_never_sql(tmp_path: Path) -> None:
    rows = [{"person": "a", "region": "north"}, {"person": "b", "region": "' OR ''='"}]
    hostile = Compare("region", "=", Literal("text", "' OR ''='"))
    assert small.answer(small.plan(where=hostile), rows, tmp_path) == [("1",)]


def test_a_c_one_consumer_cannot_fill_the_queue_for_all(space: Space) -> None:
    with_rules(space, each=2)
    space.workers.gate.clear()
    body = space.plan("0.1")
    for _ in range(2):
        space.enforcement.create(space.request(plan=body), CONSUMER)
    with pytest.raises(Unavailable):
        space.enforcement.create(space.request(plan=body), CONSUMER)
    other = "pharma-c"
    space.signers[other] = FileSigner(other, Ed25519PrivateKey.generate())
    space.sealing[other] = X25519PrivateKey.generate()
    space._certify(other, "consumer")
    run = space.enforcement.create(space.request(plan=body, signer=other, issuer=other), other)
    assert refusal(run).code == "resource.not_found", "it was heard, and has no contract"


def test_a_c_a_plan_with_more_groups_than_an_answer_holds_is_refused_before_any_charge() -> None:
    texts = tuple(str(i) for i in range(150))
    columns = tuple(Column(f"c{i}", "text", categories=texts) for i in range(4))
    of = Resource("res-x", columns, Privacy("row", 1, Budget.of_text("1", releases=1)))
    with pytest.raises(Refused):
        small.prepare(small.plan(by=[each.name for each in columns]), of)


# ---------------------------------------------------------------- policies with several permissions


def _constraint(id_: str, operand: str, operator: str, value: str, kind: str) -> Object:
    right: Object = {"@value": value, "@type": kind}
    return {"@id": f"urn:c:{id_}", "leftOperand": operand, "operator": operator, "rightOperand": right}


def test_q_a_a_release_is_permitted_by_the_clause_that_was_charged_and_by_no_other(space: Space) -> None:
    """One clause is unlimited but small, another large but once: a race must not release large ones again and again."""
    (strategy,) = space.contract.agreement.strategies
    rules: list[Json] = [
        {"@id": "urn:small", "action": "hefu:dpQuery",
         "constraint": [_constraint("rows", "hefu:outputRows", "lteq", "1", "xsd:integer")]},
        {"@id": "urn:once", "action": "hefu:dpQuery",
         "constraint": [_constraint("count", "odrl:count", "lteq", "1", "xsd:integer")]},
    ]  # fmt: skip
    policy: Object = {**strategy.policy, "permission": rules}
    policy.pop("prohibition")
    agreement = replace(space.contract.agreement, strategies=(replace(strategy, policy=policy),))
    space.contracts.held["agr-one"] = replace(space.contract, agreement=agreement)
    space.workers.gate.clear()  # so that both are decided before either is charged for good
    body = space.plan("0.1")  # two rows
    first = space.enforcement.create(space.request(plan=body), CONSUMER)
    space.workers.gate.set()
    while (first := space.enforcement.wait(first.id, CONSUMER, 10)).state not in FINAL:
        pass
    assert first.state is ComputationState.FAILED
    assert receipt.Failure.of(Statement.parse(first.receipt or b"")).code == "contract.clause"


def test_q_e_an_account_is_charged_at_most_its_limit_however_many_race(space: Space) -> None:
    statements = [space.request("0.3") for _ in range(12)]
    threads = [threading.Thread(target=space.enforcement.create, args=(each, CONSUMER)) for each in statements]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert spent(space) == Charge(PrivacyLoss(900_000_000), 3)


def test_t_e_no_part_is_handed_out_before_the_journal_has_the_receipt(space: Space) -> None:
    space.workers.gate.clear()
    run = space.enforcement.create(space.request(), CONSUMER)
    with pytest.raises(NotFound):
        space.enforcement.part(run.id, CONSUMER, 0)
    assert space.journal.head()[0] == 0
