"""The release gate judges shape, minimum group and recipient; it can be wrong in no quiet way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hefu import canonical
from hefu.errors import Malformed, Untrusted
from hefu.keeping import keys
from hefu_connector.computing import guard
from hefu_connector.ports import Mechanism, Prepared, Values
from hefu_policies.budget import Charge, PrivacyLoss

PREPARED = Prepared(
    parameters={},
    charge=Charge(PrivacyLoss(500_000_000)),
    columns=frozenset({"region"}),
    reads=frozenset({"region"}),
    functions=frozenset({"count"}),
    kind="NoisyAggregate",
    cells=2,
    headings=("region", "count"),
    mechanisms=(Mechanism("count", "discrete Laplace", "2", "6", 500_000_000),),
    max_contribution=1,
    keys=1,
    minimum_group=5,
)
VALUES = Values((("north", "4"), ("south", "12")), ((None, "6"), (None, "6")), (4, 12), 16)


def test_a_cell_below_the_minimum_group_is_taken_out_whatever_the_engine_did() -> None:
    passed = guard.check(VALUES, PREPARED)
    assert passed.values.rows == (("north", None), ("south", "12"))
    assert passed.values.half_widths == ((None, None), (None, "6"))
    assert passed.suppressed == 1
    assert passed.values.group_counts is None


def test_without_a_minimum_group_nothing_is_taken_out() -> None:
    passed = guard.check(replace(VALUES, group_counts=None), replace(PREPARED, minimum_group=None))
    assert passed.values.rows == VALUES.rows
    assert passed.suppressed == 0


@pytest.mark.parametrize(
    "values",
    [
        replace(VALUES, rows=VALUES.rows[:1]),
        replace(VALUES, rows=(("north", "4", "1"), ("south", "12"))),
        replace(VALUES, half_widths=VALUES.half_widths[:1]),
        replace(VALUES, group_counts=None),
        replace(VALUES, group_counts=(4,)),
        replace(VALUES, rows=(("north", "NaN"), ("south", "12"))),
        replace(VALUES, rows=(("north", "1e5"), ("south", "12"))),
        replace(VALUES, rows=(("north", "Alice"), ("south", "12"))),
        replace(VALUES, half_widths=((None, "inf"), (None, "6"))),
    ],
)
def test_what_was_not_announced_does_not_leave(values: Values) -> None:
    with pytest.raises(Untrusted, match="announced shape"):
        guard.check(values, PREPARED)


def test_a_release_opens_for_its_recipient_only_and_only_in_its_place() -> None:
    mine, other = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    data = guard.payload("cmp-a", guard.check(VALUES, PREPARED), PREPARED, {})
    (part,) = guard.seal(data, "cmp-a", "agr-a", mine.public_key().public_bytes_raw())
    assert keys.unseal(part, mine, guard.info("cmp-a", "agr-a", 0)) == data
    for private, info in ((other, ("cmp-a", "agr-a", 0)), (mine, ("cmp-b", "agr-a", 0)), (mine, ("cmp-a", "agr-a", 1))):
        with pytest.raises(Untrusted):
            keys.unseal(part, private, guard.info(*info))


def test_a_release_is_as_large_as_its_shape_says_whatever_it_tells() -> None:
    wide = "-" + "9" * 20 + "." + "9" * 8
    told = [
        VALUES,
        replace(VALUES, group_counts=(0, 0)),
        replace(VALUES, rows=(("north", wide), ("south", wide)), half_widths=((None, wide), (None, wide))),
    ]
    data = [guard.payload("cmp-a", guard.check(each, PREPARED), PREPARED, {}) for each in told]
    assert {len(each) for each in data} == {1024}
    assert [guard.read(each, "cmp-a")[0].rows[1][1] for each in data] == ["12", None, wide]
    many = Values(tuple((str(i), str(10**i)) for i in range(20)), tuple((None, "6") for _ in range(20)), (9,) * 20, 20)
    more = replace(PREPARED, cells=20)
    assert len(guard.payload("cmp-a", guard.check(many, more), more, {})) == 4096


def test_a_release_of_0_1_0_has_no_padding_and_one_that_tells_something_is_none() -> None:
    import json

    data = json.loads(guard.payload("cmp-a", guard.check(VALUES, PREPARED), PREPARED, {}))
    del data["padding"]
    assert guard.read(canonical.encode(data), "cmp-a")[0].headings == PREPARED.headings
    with pytest.raises(Malformed):
        guard.read(canonical.encode({**data, "padding": "Alice"}), "cmp-a")


def test_a_large_release_is_cut_into_parts_that_join_again() -> None:
    mine = X25519PrivateKey.generate()
    data = bytes(range(256)) * (guard.PART_BYTES // 128)
    parts = guard.seal(data, "cmp-a", "agr-a", mine.public_key().public_bytes_raw())
    opened = [keys.unseal(part, mine, guard.info("cmp-a", "agr-a", index)) for index, part in enumerate(parts)]
    assert len(parts) == 2
    assert all(len(part) <= 4 << 20 for part in parts)
    assert b"".join(opened) == data


def test_the_recipient_reads_back_what_passed() -> None:
    data = guard.payload("cmp-a", guard.check(VALUES, PREPARED), PREPARED, {"user": {"salt": "", "value": "li"}})
    answer, openings = guard.read(data, "cmp-a")
    assert answer.rows == (("north", None), ("south", "12"))
    assert answer.mechanisms == PREPARED.mechanisms
    assert openings["user"] == {"salt": "", "value": "li"}
    with pytest.raises(Untrusted, match="another computation"):
        guard.read(data, "cmp-b")
    with pytest.raises(Malformed):
        guard.read(data[:-1], "cmp-a")
