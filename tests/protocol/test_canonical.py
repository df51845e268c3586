"""Canonical bytes: equal to an independent implementation inside the profile, refused outside of it."""

from __future__ import annotations

import contextlib
import json
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
import rfc8785
from hefu import canonical
from hefu.errors import Malformed
from hypothesis import given
from hypothesis import strategies as st

from tests.policies.counts import count

Vectors = Callable[[str], Any]

TEXTS = st.text(st.characters(exclude_categories=("Cs",))).map(lambda text: unicodedata.normalize("NFC", text))
SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS
KEYS = st.text(st.characters(max_codepoint=127), max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)


@given(VALUES)
def test_the_bytes_equal_those_of_an_independent_implementation(value: Any) -> None:
    assert canonical.encode(value) == rfc8785.dumps(value)


@given(VALUES)
def test_what_is_written_is_read_back_the_same(value: Any) -> None:
    assert canonical.decode(canonical.encode(value)) == value


@given(st.binary(max_size=60))
def test_bytes_are_either_canonical_or_malformed(data: bytes) -> None:
    try:
        value = canonical.decode(data)
    except Malformed:
        return
    assert canonical.encode(value) == data


@given(VALUES, st.data())
def test_a_space_more_is_refused_or_inside_a_text(value: Any, data: st.DataObject) -> None:
    good = canonical.encode(value).decode()
    place = data.draw(st.integers(0, len(good)))
    spaced = good[:place] + " " + good[place:]
    with contextlib.suppress(Malformed):
        assert canonical.decode(spaced.encode()) != value


def test_published_canonical_forms_are_accepted_where_they_are_inside_the_profile(vectors: Vectors) -> None:
    # Outside by decision: floats, keys that are not ASCII, text that is not in normal form C.
    inside, refused = [], 0
    for case in vectors("jcs-rfc8785/json-canonicalization.json"):
        expected = bytes.fromhex(case["outhex"].replace(" ", "").strip())
        try:
            assert canonical.encode(json.loads(case["input"])) == expected
            assert canonical.encode(canonical.decode(expected)) == expected
            inside.append(case["name"])
        except Malformed:
            refused += 1
    assert inside == ["arrays.json"]
    count("RFC 8785 forms (outside the profile: refused)", len(inside) + refused, 6)


def test_a_published_form_with_its_one_float_made_whole_is_accepted(vectors: Vectors) -> None:
    case = next(x for x in vectors("jcs-rfc8785/json-canonicalization.json") if x["name"] == "structures.json")
    assert canonical.encode(json.loads(case["input"].replace("56.0", "56"))).decode() == case["output"]


REFUSED = {
    "a float": b"1.5",
    "a whole float": b"1.0",
    "an exponent": b"1e3",
    "minus zero": b"-0",
    "infinity": b"Infinity",
    "not a number": b"NaN",
    "2^53": b"9007199254740992",
    "a duplicate key": b'{"a":1,"a":1}',
    "keys out of order": b'{"b":1,"a":1}',
    "a key that is not ASCII": '{"é":1}'.encode(),
    "text that is not in normal form C": '"A\u030a"'.encode(),
    "a lone surrogate": b'"\\ud800"',
    "an escape too many": b'"\\u0041"',
    "an escaped slash": b'"\\/"',
    "a byte order mark": b"\xef\xbb\xbf1",
    "not UTF-8": b'"\xff"',
    "a newline at the end": b"1\n",
    "two values": b"1 2",
    "nothing": b"",
    "a comment": b"/**/1",
    "too deep": b"[" * 40 + b"]" * 40,
    "far too deep": b"[" * 100_000,
    "a huge integer": b"9" * 10_000,
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_outside_the_profile_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        canonical.decode(REFUSED[name])


@pytest.mark.parametrize("value", [1.0, 2**53, {"é": 1}, "\ud800", "A\u030a", b"bytes", {1: 2}, (1,), object()])
def test_what_is_outside_the_profile_is_not_written(value: Any) -> None:
    with pytest.raises(Malformed):
        canonical.encode(value)


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: [1, inner, "x"]])
def test_a_value_may_be_as_deep_as_the_profile_says_and_no_deeper(wrap: Any) -> None:
    value: Any = 7
    for _ in range(canonical.DEEPEST):
        value = wrap(value)
    assert canonical.decode(canonical.encode(value)) == value
    deeper = json.dumps(wrap(value), separators=(",", ":")).encode()
    with pytest.raises(Malformed):
        canonical.decode(deeper)
    with pytest.raises(Malformed):
        canonical.encode(wrap(value))


def test_a_document_over_its_limit_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(Malformed):
        canonical.decode(b'"' + b"a" * 100 + b'"', limit=50)
    assert canonical.decode(b'"' + b"a" * 48 + b'"', limit=50) == "a" * 48


def test_only_objects_are_objects() -> None:
    assert canonical.decode_object(b"{}") == {}
    with pytest.raises(Malformed):
        canonical.decode_object(b"[]")


def test_a_digest_names_its_algorithm() -> None:
    assert canonical.digest(b"abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
