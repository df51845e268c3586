"""A joint total is the sum of all numbers and noise; of one party nothing is told; its price is what it costs."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hefu.errors import HefuError, Malformed, Refused, Untrusted
from hefu_connector.computing import blobs
from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.computing.expressions import Column
from hefu_connector.computing.groups import Values
from hefu_connector.computing.predicates import Compare, Literal
from hefu_connector.computing.suites import TOTALS
from hefu_connector.engines.homomorphic import keys
from hefu_connector.engines.noise import DISCRETE_GAUSSIAN, Noise, draw_share, sharing, worst_square
from hefu_connector.engines.shape import Sensitivity, Shape
from hefu_connector.workbench import frames
from hefu_connector.workbench.consistency import Table, consistent
from hefu_policies.budget import PrivacyLoss
from hefu_policies.goods.resource import Privacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from tests.connector import engine_world as world
from tests.connector.totals_world import ENGINE, part, people, plans, run

pytest.importorskip("tenseal")
RHO = PrivacyLoss(0, 0, 10**8)  # ρ = 0.1
LOUD = PrivacyLoss(0, 0, 10**14)  # the least noise there is
ASKED = world.plan(
    Aggregate("count", "n"), Aggregate("sum", "total", "income"), Aggregate("units", "who"), by=("region",), loss=RHO
)

PERSONS = st.fixed_dictionaries({
    "person": st.sampled_from("abc"), "region": st.sampled_from(["north", "south", "east", "none"]),
    "income": st.sampled_from([None, -1000.0, -50.0, 3.3, 1000.0]),
})  # fmt: skip


# ---------------------------------------------------------------- what the noise costs


def masses(scale: float) -> dict[int, float]:
    reach = math.ceil(35 * scale)
    found = {at: math.exp(-(at**2) / (2 * scale**2)) for at in range(-reach, reach + 1)}
    whole = math.fsum(found.values())
    return {at: each / whole for at, each in found.items()}


def summed(scale: float, count: int) -> dict[int, float]:
    """The distribution of a sum of shares, number by number."""
    found, one = {0: 1.0}, masses(scale)
    for _ in range(count):
        made: dict[int, float] = {}
        for left, p in found.items():
            for right, q in one.items():
                made[left + right] = made.get(left + right, 0.0) + p * q
        found = made
    return found


def divergence(found: dict[int, float], moved: int, order: float) -> float:
    """Rényi's, of a sum and the same moved, by all of it that floats can hold."""
    logs = {at: math.log(p) for at, p in found.items() if p > 1e-280}
    parts = [order * p - (order - 1) * logs[at - moved] for at, p in logs.items() if at - moved in logs]
    top = max(parts)
    return (top + math.log(math.fsum(math.exp(each - top) for each in parts))) / (order - 1)


@pytest.mark.parametrize("share", [708, 850, 1000, 2000])
@pytest.mark.parametrize("honest", [1, 2, 3, 5])
def test_the_price_covers_what_a_sum_of_shares_tells_worked_out_number_by_number(share: int, honest: int) -> None:
    found = summed(share / sharing.FINE, honest)
    for moved in (1, 2, 5):
        rho = sharing.cost(Sensitivity(1, moved, moved), share, honest, 3) / 1e9
        told = max(divergence(found, moved, order) / order for order in (1.1, 1.5, 2, 3))
        assert told <= rho * (1 + 1e-9)
        assert share < 1000 or rho < 1.3 * told + 0.02  # and not for much more
        # Counting one party more than keeps to it would be too little.
        assert told > sharing.cost(Sensitivity(1, moved, moved), share, honest + 1, 3) / 1e9 or share < 1000


def test_for_large_noise_shares_are_as_good_as_one_noise_of_their_sum() -> None:
    moves = Sensitivity(4, 50, 120)
    share = sharing.least_share(moves, 10**7, 9, 40)
    alone = Noise(DISCRETE_GAUSSIAN, 50 * 120, 10**7)
    assert 1 <= sharing.scale(share, 9) / alone.scale < 1.001
    assert sharing.cost(moves, share, 9, 40) <= 10**7 < sharing.cost(moves, share - 1, 9, 40)
    one = sharing.least_share(moves, 10**7, 1, 40)
    assert one / share == pytest.approx(3, rel=1e-3)  # nine that answer each for itself have three times the error


@pytest.mark.parametrize(("share", "parties"), [(708, 2), (708, 7), (1500, 3), (4000, 2)])
def test_intervals_hold_as_often_as_they_say_and_tails_are_never_met(share: int, parties: int) -> None:
    found = summed(share / sharing.FINE, parties)
    width = sharing.half_width(share, parties)
    assert math.fsum(p for at, p in found.items() if abs(at) > width) <= 0.05
    assert math.fsum(p for at, p in found.items() if abs(at) > width - 2) > 0.05
    assert math.fsum(p for at, p in found.items() if abs(at) > sharing.tail(share, parties, 1)) < 2**-60
    assert sharing.half_width(100_000, parties) == math.ceil(100 * math.sqrt(parties) * 1.959963985)


def test_a_share_has_the_deviation_it_should() -> None:
    drawn = draw_share([7] * 20_000, 3.0)
    deviation = math.sqrt(math.fsum((each - 7) ** 2 for each in drawn) / len(drawn))
    assert abs(deviation / 3 - 1) < 0.03  # six standard errors
    with pytest.raises(HefuError):
        draw_share([7], 0.0)


# ---------------------------------------------------------------- plans


def test_every_party_pays_what_its_own_units_lose() -> None:
    small = people(contribution=1)
    prepared = [
        ENGINE.prepare(each.body(), one, None)
        for each, one in zip(plans(ASKED, [people(), people(), small], 2), [people(), people(), small], strict=True)
    ]
    first, _, last = (each.charge.loss.rho_nano for each in prepared)
    assert last < first <= RHO.rho_nano < 1.001 * first
    assert sum(each.rho_nano for each in prepared[0].mechanisms) == first
    both = PrivacyLoss(10**9, 10**9)
    asked = plans(replace(ASKED, loss=both), [people()] * 3, 2)
    assert ENGINE.prepare(asked[0].body(), people(), None).charge.loss == both


def test_units_that_may_be_everywhere_need_so_much_more_noise() -> None:
    own = people()
    alone = replace(own, privacy=replace(own.privacy, exclusive=True))
    assert Privacy.of(alone.privacy.body()) == alone.privacy
    assert "exclusive" not in own.privacy.body()
    shared, exclusive = plans(ASKED, [own] * 3, 2)[0].noise, plans(ASKED, [alone] * 3, 2)[0].noise
    for many, one in zip(shared, exclusive, strict=True):
        assert many / one == pytest.approx(3, rel=0.01)
    with pytest.raises(Refused, match="noise"):  # what suffices those is too little for this one
        ENGINE.prepare(plans(ASKED, [alone] * 3, 2)[0].body(), own, None)


REFUSALS: list[tuple[str, Any]] = [
    ("total.noise", lambda plan: (replace(plan, noise=tuple(each * 99 // 100 for each in plan.noise)), people())),
    ("total.noise", lambda plan: (replace(plan, session=replace(plan.session, honest=1)), people())),
    ("total.noise", lambda plan: (replace(plan, noise=(1, *plan.noise[1:])), people())),
    ("total.question", lambda plan: (replace(plan, question="sha256:" + "0" * 64), people())),
    ("total.question", lambda plan: (replace(plan, query=replace(plan.query, aggregates=(
        plan.query.aggregates[0], Aggregate("sum", "total", "age"), plan.query.aggregates[2]))), people())),
    ("total.question", lambda plan: (plan, people(columns=[
        replace(each, categories=("south", "north", "east")) if each.name == "region" else each
        for each in world.COLUMNS]))),
    ("total.range", lambda plan: (plan, people(rows="999999999"))),
    ("total.rows", lambda plan: (plan, world.resource())),
    ("total.no_delta", lambda plan: (replace(plan, query=replace(plan.query, loss=PrivacyLoss(10**9))), people())),
    ("plan.no_loss", lambda plan: (replace(plan, query=replace(plan.query, loss=PrivacyLoss(0))), people())),
]  # fmt: skip


@pytest.mark.parametrize(("code", "change"), REFUSALS)
def test_what_would_tell_too_much_or_wrap_around_is_refused_before_data_is_touched(code: str, change: Any) -> None:
    plan, of = change(plans(ASKED, [people()] * 3, 2)[0])
    with pytest.raises(Refused) as refused:
        ENGINE.prepare(plan.body(), of, None)
    assert refused.value.code == code


def test_a_contract_that_withholds_small_groups_cannot_be_kept_and_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        ENGINE.prepare(plans(ASKED, [people()] * 3, 2)[0].body(), people(), 5)
    assert refused.value.code == "total.minimum"


def test_what_one_side_proposes_all_understand_alike_or_nothing_is_proposed() -> None:
    coarse = people(columns=[
        replace(each, bounds=replace(each.bounds, granularity=each.bounds.granularity * 2))
        if each.name == "income" and each.bounds else each for each in world.COLUMNS
    ])  # fmt: skip
    with pytest.raises(Refused) as refused:
        plans(ASKED, [people(), people(), coarse], 2)
    assert refused.value.code == "total.question"


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(PERSONS, max_size=6), min_size=3, max_size=3),
    st.lists(st.lists(PERSONS, max_size=4), min_size=3, max_size=3),
)
def test_a_unit_at_every_party_moves_the_sum_no_further_than_is_charged(
    tmp_path: Path, before: list[list[world.Row]], added: list[list[world.Row]]
) -> None:
    prepared = ENGINE.prepare(plans(ASKED, [people()] * 3, 2)[0].body(), people(), None)
    shape, parts = Shape.of(prepared.parameters["shape"]), []
    for rows in (
        before,
        [[*one, *({**row, "person": "new"} for row in more)] for one, more in zip(before, added, strict=True)],
    ):
        found = [world.exact(prepared, world.write(tmp_path / "rows.parquet", one)) for one in rows]
        parts.append([[sum(cells) for cells in zip(*each, strict=True)] for each in zip(*found, strict=True)])
    for measure, old, new in zip(shape.measures, *parts, strict=True):
        moved, one = [abs(a - b) for a, b in zip(old, new, strict=True)], measure.sensitivity
        assert sum(moved) <= 3 * one.l1
        assert sum(each**2 for each in moved) <= 9 * worst_square(one)
        assert sum(map(bool, moved)) <= min(3 * one.l0, shape.cells)


# ---------------------------------------------------------------- a whole run


def tables(folder: Path, parties: int = 3) -> tuple[list[Path], list[list[dict[str, Any]]]]:
    rows = [
        [
            {"person": f"p{(at * 7 + each) % 31}", "region": ("north", "south")[(at + each) % 2], "age": each,
             "income": 10.5 * at - each}
            for each in range(12)
        ]
        for at in range(parties)
    ]  # fmt: skip
    return [world.write(folder / f"{at}.parquet", each) for at, each in enumerate(rows)], rows


def test_the_total_is_the_sum_of_all_parties_and_its_noise(tmp_path: Path) -> None:
    found, rows = tables(tmp_path)
    where = Compare("age", "<", Literal("integer", "9"))
    of = [people(contribution=12)] * 3
    asked = plans(replace(ASKED, loss=LOUD, filter=where), of, 2)
    answer = run(asked, of, found, tmp_path).answer()
    assert [row[0] for row in answer.rows] == ["north", "south", "east"]
    for region, *values in answer.rows:
        kept = [[row for row in one if row["region"] == region and row["age"] < 9] for one in rows]
        wanted = [
            sum(map(len, kept)),
            sum(row["income"] for one in kept for row in one),
            sum(len({row["person"] for row in one}) for one in kept),
        ]
        for value, truth, share, step in zip(values, wanted, asked[0].noise, (1, 0.25, 1), strict=True):
            assert abs(float(value or "nan") - truth) <= sharing.tail(share, 3, 1) * step
    assert {each.mechanism for each in answer.mechanisms} == {sharing.NAME}


def test_what_does_not_fit_into_one_ciphertext_goes_into_several(tmp_path: Path) -> None:
    found, rows = tables(tmp_path)
    by = ("region", Values("money", Column("income")))
    of = [people(contribution=12)] * 3
    asked = plans(replace(ASKED, loss=LOUD, group_by=by), of, 2)
    made = run(asked, of, found, tmp_path)
    assert made.prepared[0].parameters["open"] == {"counts": [8192, 9009 - 8192]}
    answer, noise = made.answer(), [sharing.tail(share, 3, 9009) for share in asked[0].noise]
    truth = Counter((row["region"], row["income"]) for one in rows for row in one)
    assert len(truth) > 20
    for region, money, count, *_ in answer.rows:
        assert abs(int(count or 0) - truth[region, float(money or "nan")]) <= noise[0]
    middle = [each for each in answer.rows if each[:2] == ("south", "0")]
    assert abs(float(middle[0][3] or "nan")) <= noise[1] / 4


def test_of_one_party_nothing_is_told_and_every_share_is_fresh(tmp_path: Path) -> None:
    found, _ = tables(tmp_path)
    many = Plan("prd", (Aggregate("count", "n"),), LOUD, None, ("region", "grade", "active"))
    of = [people()] * 3
    made = run(plans(many, of, 2), of, found, tmp_path)
    parts = [int(str(each)) for blob in made.blobs for each in made.opened(blob)["total"]]  # type: ignore[union-attr]
    drawn = list(parts)
    for _ in range(3):
        again = run(plans(many, of, 2), of, found, tmp_path, made.context)
        drawn += [int(str(each)) for blob in again.blobs for each in again.opened(blob)["total"]]  # type: ignore[union-attr]
        assert {*again.blobs}.isdisjoint(made.blobs)
    assert len({*drawn}) == len(drawn)
    eighths = [(each + TOTALS.plain // 2) * 8 // TOTALS.plain for each in drawn]
    assert chisquare([eighths.count(each) for each in range(8)]).pvalue > 1e-9


def test_a_party_asked_twice_draws_its_share_anew(tmp_path: Path) -> None:
    found, _ = tables(tmp_path)
    many = world.plan(Aggregate("count", "n"), by=("region", "grade", "active"), loss=RHO)
    of = [people()] * 3
    asked = plans(many, of, 2)
    made = run(asked, of, found, tmp_path)
    said = {"me": "party-01", "secrets": {"party-00": "11" * 32, "party-02": "22" * 32}, "sums": False}
    told = [made.opened(part(made.prepared[1], found[1], said, [tmp_path / "public"]))["total"] for _ in range(6)]
    numbers = [[int(str(each)) for each in one] for one in told if isinstance(one, list)]
    # The masks are the same, so differences are those of noise; of 5 · 12 of variance 2σ², as far as 9 deviations go.
    apart = [(a - b + TOTALS.plain // 2) % TOTALS.plain - TOTALS.plain // 2 for one, other in pairwise(numbers)
             for a, b in zip(one, other, strict=True)]  # fmt: skip
    scale = asked[0].noise[0] / sharing.FINE
    assert 0.3 < math.fsum(each**2 for each in apart) / len(apart) / (2 * scale**2) < 3


@pytest.mark.parametrize("change", ["noise", "missing"])
def test_parties_that_were_told_two_stories_or_lack_one_give_no_total(tmp_path: Path, change: str) -> None:
    found, _ = tables(tmp_path)
    of = [people()] * 3
    asked = plans(replace(ASKED, loss=LOUD), of, 2)
    if change == "noise":
        asked[2] = replace(asked[2], noise=tuple(each + 1 for each in asked[2].noise))
        made = run(asked, of, found, tmp_path)
        told = made.total
    else:
        made = run(asked, of, found, tmp_path)
        told = made.blobs[0]
    with pytest.raises(Untrusted) as refused:
        ENGINE.combine(made.opened(told), made.prepared)
    assert refused.value.code == "total.beyond"


def test_whoever_adds_up_takes_exactly_the_others_well_formed_ciphertexts(tmp_path: Path) -> None:
    found, _ = tables(tmp_path)
    of = [people()] * 3
    made = run(plans(ASKED, of, 2), of, found, tmp_path)
    good = made.blobs
    foreign = run(plans(ASKED, of, 2), of, found, tmp_path).blobs
    said = {"me": "party-00", "secrets": {"party-01": "11" * 32, "party-02": "22" * 32}, "sums": True}
    public, others = tmp_path / "public", tmp_path / "others"
    public.write_bytes(keys.public(made.context))
    for wrong in ([good[0]], [*good, good[0]], [good[0], good[1][:-1]], [good[0], b""], [good[0], good[1] + b"\0"]):
        others.write_bytes(blobs.encode(wrong))
        with pytest.raises(Malformed):
            part(made.prepared[0], found[0], said, [public, others])
    others.write_bytes(blobs.encode([good[0], foreign[1]]))  # under another key: garbage, which the consumer sees
    told = part(made.prepared[0], found[0], said, [public, others])
    with pytest.raises(Untrusted):
        ENGINE.combine(made.opened(told), made.prepared)


def test_a_worker_s_word_is_read_strictly(tmp_path: Path) -> None:
    prepared = [ENGINE.prepare(each.body(), people(), None) for each in plans(ASKED, [people()] * 3, 2)]
    for output in ({}, {"total": ["0"] * 8}, {"total": ["0"] * 10}, {"total": ["x"] * 9}, {"total": [0.5] * 9},
                   {"total": ["00"] * 9}, {"total": ["0"] * 9, "more": 1}):  # fmt: skip
        with pytest.raises(Untrusted):
            ENGINE.combine(output, prepared)
    for output in ({}, {"rows_read": -1}, {"rows_read": True}, {"rows_read": 1, "noised": []}):
        with pytest.raises(Untrusted):
            ENGINE.read(output, prepared[0])


def test_totals_by_more_and_by_fewer_keys_are_made_to_agree_as_other_answers_are(tmp_path: Path) -> None:
    found, _ = tables(tmp_path)
    of = [people()] * 3
    told = []
    for by in (("region", "active"), ("region",)):
        answer = run(plans(world.plan(Aggregate("count", "n"), by=by, loss=RHO), of, 2), of, found, tmp_path).answer()
        noise = tuple(
            frames.Noise(each.column, each.mechanism, each.scale, each.half_width) for each in answer.mechanisms
        )
        told.append(Table(answer.headings, answer.rows, answer.half_widths, len(by), noise))
    assert frames.guaranteed(told[0])  # type: ignore[arg-type]
    parts, total = consistent(*told)  # type: ignore[arg-type]
    for row in total.rows:
        assert int(row[1] or 0) == sum(int(each[2] or 0) for each in parts.rows if each[0] == row[0])
