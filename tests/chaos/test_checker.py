"""Each rule of the checker, on the smallest history that breaks it, and on the one beside it that does not."""

from __future__ import annotations

from typing import Any

import pytest
from hefu.tlog import tree
from hefu_space.checker import check
from hefu_space.history import Event

ONE, TWO = [1, 0, 1, 1], [2, 0, 2, 2]
LEAVES = [tree.leaf_hash(word) for word in (b"a", b"b", b"c")]


def story(*told: tuple[str, str, dict[str, Any]]) -> list[Event]:
    return [Event(float(at), node, kind, facts) for at, (node, kind, facts) in enumerate(told)]


def balance(charged: list[int], limit: list[int] | None = None) -> tuple[str, str, dict[str, Any]]:
    return "p", "balance", {"account": "agreement/a", "charged": charged, "limit": limit or [9, 0, 9, 9]}


def asked(computation: str = "c1") -> tuple[str, str, dict[str, Any]]:
    return "c", "asked", {"computation": computation, "agreement": "a", "request": "q", "price": ONE}


def sealed(sequence: int = 0, previous: str = "", **changes: Any) -> tuple[str, str, dict[str, Any]]:
    facts = {
        "computation": "c1", "request": "q", "consumer": "c", "state": "released", "code": "",
        "receipt": f"r{sequence}",
        "charge": ONE, "accounts": ["agreement/a"], "sequence": sequence, "previous": previous, "connector": "p-1",
    }  # fmt: skip
    return "p", "sealed", facts | changes


def told(receipt: str = "r0", parts: int = 1) -> tuple[str, str, dict[str, Any]]:
    return "c", "told", {"computation": "c1", "state": "released", "receipt": receipt, "parts": parts}


def part(digest: str = "d", kind: str = "part", node: str = "c") -> tuple[str, str, dict[str, Any]]:
    return node, kind, {"computation": "c1", "index": 0, "digest": digest, "consumer": "c"}


def contract(node: str, state: str, agreement: str = "a") -> tuple[str, str, dict[str, Any]]:
    return node, "contract", {"negotiation": "n", "agreement": agreement, "state": state}


def entry(index: int, leaf: bytes, digest: str = "") -> tuple[str, str, dict[str, Any]]:
    return "broker", "entry", {"index": index, "leaf": leaf.hex(), "digest": digest, "type": "x"}


def view(size: int, leaves: list[bytes]) -> tuple[str, str, dict[str, Any]]:
    return "c", "view", {"size": size, "root": tree.root(leaves[:size]).hex()}


WHOLE = [asked(), balance(ONE), sealed(), entry(0, LEAVES[0], "r0"), told(), part(kind="served", node="p"), part()]
REVOKED = ("p", "knows", {"revoked": ["c"]})
SETTLED = ("", "settled", {})

BROKEN = {
    "charged_covers_released": [asked(), sealed(), balance(ONE)],
    "never_above_the_limit": [asked(), asked("c2"), balance(TWO, [1, 0, 5, 5])],
    "nothing_is_charged_twice": [asked(), balance(TWO)],
    "one_end_for_a_contract": [contract("broker", "finalized"), contract("broker", "terminated")],
    "nothing_released_after_an_end": [balance(ONE), contract("p", "ended"), sealed()],
    "nothing_served_to_the_revoked": [balance(ONE), sealed(), REVOKED, part(kind="served", node="p")],
    "one_receipt_a_computation": [balance(TWO), sealed(), told("another")],
    "same_request_same_bytes": [balance(ONE), sealed(), part(), part("other")],
    "journals_have_no_gap": [balance(TWO), sealed(), sealed(2, "r0", computation="c2")],
    "the_log_only_grows": [entry(0, LEAVES[0]), entry(0, LEAVES[1])],
    "nobody_met_a_defect": [balance(ONE), sealed(state="failed", code="internal")],
    "all_comes_right": [asked(), SETTLED],
}


def test_a_whole_history_breaks_nothing() -> None:
    assert check(story(*WHOLE, contract("p", "active"), contract("c", "active"), view(1, LEAVES), SETTLED)) == []


@pytest.mark.parametrize("rule", BROKEN)
def test_each_rule_finds_its_breach(rule: str) -> None:
    assert {each.partition(":")[0] for each in check(story(*BROKEN[rule]))} == {rule}


@pytest.mark.parametrize(
    ("told_", "rule"),
    [
        ([balance(TWO), balance(ONE), asked(), asked("c2")], "never_above_the_limit"),
        ([asked(), balance([1, 0, 1, 1], [9, 0, 9, 0])], "never_above_the_limit"),  # a loss in rho where none is
        ([contract("c", "ended"), contract("c", "active")], "one_end_for_a_contract"),
        ([contract("broker", "finalized", "a"), contract("broker", "finalized", "b")], "one_end_for_a_contract"),
        ([part()], "same_request_same_bytes"),
        ([balance(ONE), sealed(0, "somewhere")], "journals_have_no_gap"),
        ([entry(0, LEAVES[0]), view(2, LEAVES)], "the_log_only_grows"),
        ([entry(0, LEAVES[0]), entry(1, LEAVES[1]), view(2, [LEAVES[0], LEAVES[2]])], "the_log_only_grows"),
        ([entry(1, LEAVES[1])], "the_log_only_grows"),
        ([*WHOLE[:-1], SETTLED], "all_comes_right"),
        ([*WHOLE, contract("p", "active"), contract("c", "ended"), SETTLED], "all_comes_right"),
        ([asked(), balance(ONE), sealed(), told(), part(), SETTLED], "all_comes_right"),
        ([*WHOLE, asked("c2"), balance(TWO), ("c", "given_up", {"computation": "c2", "code": "x"}), SETTLED],
         "all_comes_right"),
    ],
)  # fmt: skip
def test_a_rule_finds_its_other_breaches(told_: list[tuple[str, str, dict[str, Any]]], rule: str) -> None:
    assert {each.partition(":")[0] for each in check(story(*told_))} == {rule}
