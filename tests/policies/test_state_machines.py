"""Every pair that is not in a table is refused, and the page in the documentation is the table."""

from enum import StrEnum
from itertools import product
from pathlib import Path

import pytest
from hefu.errors import Conflict
from hefu_policies.pages import drawing
from hefu_policies.states import fulfilment, lifecycle, machine, negotiation

DOCS = Path(__file__).parents[2] / "docs"
MACHINES = [
    (negotiation.TABLE, negotiation.State, negotiation.Role, negotiation.Move),
    (fulfilment.TABLE, fulfilment.State, negotiation.Role, fulfilment.Move),
    (lifecycle.AGREEMENT, lifecycle.AgreementState, lifecycle.Actor, lifecycle.AgreementMove),
    (lifecycle.PRODUCT, lifecycle.ProductState, lifecycle.Actor, lifecycle.ProductMove),
]


@pytest.mark.parametrize(("table", "states", "roles", "moves"), MACHINES)
def test_every_move_is_in_the_table_or_refused(
    table: dict[object, StrEnum], states: type[StrEnum], roles: type[StrEnum], moves: type[StrEnum]
) -> None:
    taken = 0
    for state, role, move in product([None, *states], roles, moves):
        if (state, role, move) in table:
            assert machine.step("it", table, state, role, move) is table[state, role, move]
            taken += 1
        else:
            with pytest.raises(Conflict, match=move.value):
                machine.step("it", table, state, role, move)
    assert taken == len(table)


@pytest.mark.parametrize(("table", "states", "roles", "moves"), MACHINES)
def test_every_state_can_be_reached(
    table: dict[tuple[object, object, object], StrEnum], states: type[StrEnum], roles: object, moves: object
) -> None:
    reached: set[object] = {None}
    while True:
        more = {after for (before, _, _), after in table.items() if before in reached} - reached
        if not more:
            break
        reached |= more
    assert reached == {None, *states}


def test_the_walking_negotiation_ends_in_finalized() -> None:
    state = None
    for role, move in [
        (negotiation.Role.CONSUMER, negotiation.Move.REQUEST),
        (negotiation.Role.PROVIDER, negotiation.Move.AGREE),
        (negotiation.Role.CONSUMER, negotiation.Move.VERIFY),
        (negotiation.Role.PROVIDER, negotiation.Move.FINALIZE),
    ]:
        state = negotiation.advance(state, role, move)
    assert state is negotiation.State.FINALIZED
    assert negotiation.is_final(state)


def test_final_states_are_those_of_the_dataspace_protocol() -> None:
    final = {each for each in negotiation.State if negotiation.is_final(each)}
    assert final == {negotiation.State.FINALIZED, negotiation.State.TERMINATED}
    final_transfer = {each for each in fulfilment.State if fulfilment.is_final(each)}
    assert final_transfer == {fulfilment.State.COMPLETED, fulfilment.State.TERMINATED}


def test_the_consumer_cannot_resume_what_the_provider_suspended() -> None:
    suspended = lifecycle.AgreementState.SUSPENDED
    with pytest.raises(Conflict):
        lifecycle.advance_agreement(suspended, lifecycle.Actor.CONSUMER, lifecycle.AgreementMove.RESUME)


def test_a_retired_product_is_not_published_again() -> None:
    with pytest.raises(Conflict):
        lifecycle.advance_product(
            lifecycle.ProductState.RETIRED, lifecycle.Actor.PROVIDER, lifecycle.ProductMove.PUBLISH
        )


def test_moves_are_the_last_words_of_statement_types() -> None:
    assert {each.value for each in negotiation.Move} == {
        "requested", "offered", "accepted", "agreed", "endorsed", "verified", "finalized", "terminated",
    }  # fmt: skip


def test_the_documentation_is_drawn_from_the_tables() -> None:
    page = (DOCS / "state-machines.md").read_text(encoding="utf-8")
    assert page == drawing.state_machines(), "write the page again with hefu_policies.pages.drawing"


# Transcribed from the Dataspace Protocol's diagrams, not from our tables: state, next states, by consumer or provider.
NEGOTIATION = """
start REQUESTED C; start OFFERED P; REQUESTED OFFERED P; REQUESTED AGREED P; OFFERED REQUESTED C; OFFERED ACCEPTED C;
ACCEPTED AGREED P; AGREED VERIFIED C; VERIFIED FINALIZED P; REQUESTED TERMINATED CP; OFFERED TERMINATED CP;
ACCEPTED TERMINATED P; AGREED TERMINATED C; VERIFIED TERMINATED P
"""
TRANSFER = """
start REQUESTED C; REQUESTED STARTED P; STARTED COMPLETED CP; STARTED SUSPENDED CP; SUSPENDED STARTED CP;
REQUESTED TERMINATED CP; STARTED TERMINATED CP; SUSPENDED TERMINATED CP
"""


@pytest.mark.parametrize(("told", "table"), [(NEGOTIATION, negotiation.TABLE), (TRANSFER, fulfilment.TABLE)])
def test_the_tables_are_those_of_the_dataspace_protocol(
    told: str, table: dict[tuple[StrEnum | None, StrEnum, StrEnum], StrEnum]
) -> None:
    expected = set()
    for line in told.split(";"):
        before, after, roles = line.split()
        expected |= {(before, after, {"C": "consumer", "P": "provider"}[role]) for role in roles}
    two = {key: after for key, after in table.items() if key[1].value != "endorser"}
    found = {(before or "start", after.value, role.value) for (before, role, _), after in two.items()}
    assert found == expected
    # A move always leads to the state that bears its name.
    assert all(move.value.upper() == after.value for (_, _, move), after in two.items())


def test_a_further_party_endorses_what_was_drawn_up_and_may_end_it_until_it_is_final() -> None:
    """Ours beside the protocol, which knows two parties."""
    endorser, state, move = negotiation.Role.ENDORSER, negotiation.State, negotiation.Move
    found = {(key[0], key[2]): after for key, after in negotiation.TABLE.items() if key[1] is endorser}
    open_ = {state.REQUESTED, state.OFFERED, state.ACCEPTED, state.AGREED, state.VERIFIED}
    assert found == {(state.AGREED, move.ENDORSE): state.AGREED} | {
        (each, move.TERMINATE): state.TERMINATED for each in open_
    }
