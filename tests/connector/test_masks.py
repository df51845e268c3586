"""Hidden numbers add up to the sum of all, and to nothing else."""

from __future__ import annotations

import random

import pytest
from hefu.errors import Malformed
from hefu_connector.computing.suites import TOTALS
from hefu_connector.engines import masks
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

T = b"agr-1/cmp-1"


def run(rows: dict[str, list[int]], modulus: int, transcript: dict[str, bytes] | None = None) -> dict[str, list[int]]:
    own = {name: masks.OwnKey() for name in rows}
    keys = {name: each.public for name, each in own.items()}
    said = transcript or {}
    return {
        name: masks.hide(values, name, own[name], keys, said.get(name, T), modulus) for name, values in rows.items()
    }


def total(rows: dict[str, list[int]], modulus: int) -> list[int]:
    return [sum(cells) % modulus for cells in zip(*rows.values(), strict=True)]


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(1, 40), st.sampled_from([2, 97, TOTALS.plain, 1 << 63]), st.randoms())
def test_what_is_hidden_adds_up_to_the_sum(parties: int, cells: int, modulus: int, drawn: random.Random) -> None:
    rows = {f"party-{each}": [drawn.randrange(modulus) for _ in range(cells)] for each in range(parties)}
    assert total(run(rows, modulus), modulus) == total(rows, modulus)


def test_without_one_party_the_rest_is_uniform_whatever_the_values_are() -> None:
    modulus, cells = 16, 8000
    hidden = run({name: [3] * cells for name in ("a", "b", "c")}, modulus)
    for name in hidden:
        others = {each: values for each, values in hidden.items() if each != name}
        for numbers in (hidden[name], total(others, modulus)):
            assert chisquare([numbers.count(each) for each in range(modulus)]).pvalue > 1e-9
    assert total(hidden, modulus) == [9] * cells


def test_masks_of_another_transcript_do_not_cancel() -> None:
    rows = {"a": [1] * 20, "b": [2] * 20, "c": [3] * 20}
    hidden = run(rows, TOTALS.plain, {"b": b"agr-1/cmp-2"})
    assert not {*total(hidden, TOTALS.plain)} & {6}


def test_large_moduli_are_met_evenly() -> None:
    modulus = 3 << 61  # a word is too large in a quarter of all cases
    drawn = masks.uniform(bytes(range(32)), modulus)
    third = [next(drawn) * 3 // modulus for _ in range(9000)]
    assert chisquare([third.count(each) for each in range(3)]).pvalue > 1e-9


@pytest.mark.parametrize(
    "keys",
    [
        lambda own: {"a": own.public},
        lambda own: {"a": own.public, "b": own.public},
        lambda own: {"a": masks.OwnKey().public, "b": own.public},
        lambda own: {"a": own.public, "b": bytes(32)},
        lambda own: {"a": own.public, "b": b"short"},
    ],
)
def test_keys_that_hide_nothing_are_refused(keys: object) -> None:
    own = masks.OwnKey()
    with pytest.raises(Malformed):
        masks.hide([1], "a", own, keys(own), T, 97)  # type: ignore[operator]
