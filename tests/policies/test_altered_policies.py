"""Documents with something wrong in them, anywhere: each is read or refused with a place, and nothing else happens."""

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hefu.canonical import Json, Object
from hefu.errors import Malformed
from hefu_policies import odrl
from hefu_policies.odrl import plain
from hefu_policies.odrl.jsonld import read
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.deep import examples
from tests.policies.whole_policies import whole_policies

STRANGE: list[Any] = [
    None, True, 0, -1, 10**16, "", "x", "é", "\ud800", "odrl:use", "hefu:epsilon", "urn:x:1", "@id", [], {}, [[]],
    ["a", "a"], {"@id": "urn:x:1"}, {"@id": 5}, {"@id": "_:b"}, {"@id": "hefu:L1"}, {"@id": ["urn:a:b"]},
    {"@value": "1"}, {"@value": True}, {"@value": 1, "@type": "xsd:decimal"}, {"@value": "1", "@type": ["a:b", "c:d"]},
    {"@list": ["a"]}, {"@set": []}, {"@type": "odrl:Duty"}, {"@type": 5}, {"and": []}, {"rdf:value": "x"},
]  # fmt: skip
MEMBERS = [
    "unit",
    "@type",
    "@id",
    "note",
    "and",
    "consequence",
    "remedy",
    "odrl:duty",
    "refinement",
    "@graph",
    "target",
]


def _places(value: Json, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inside:
        yield from _places(item, (*at, name))


def _altered(policy: Object, chance: Random) -> Any:
    policy = copy.deepcopy(policy)
    at: Any = policy
    *path, name = chance.choice([*_places(policy)])
    for step in path:
        at = at[step]
    if isinstance(at, dict):
        match chance.randrange(4):
            case 0:
                del at[name]
            case 1:
                at[chance.choice(MEMBERS)] = copy.deepcopy(chance.choice(STRANGE))
                return policy
    if not isinstance(at, dict) or name in at:
        at[name] = copy.deepcopy(chance.choice(STRANGE))
    return policy


@pytest.mark.deep
@settings(
    max_examples=examples(12, 500), deadline=None, suppress_health_check=[*HealthCheck],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)  # fmt: skip
@given(whole_policies, st.integers(0, 2**32))
def test_an_altered_policy_is_read_or_refused(policy: Object, seed: int) -> None:
    chance = Random(seed)
    tried = [_refusal(odrl.load, _altered(policy, chance)) for _ in range(20)]
    tried += [_refusal(read, _altered(form, chance)) for form in (policy, plain.plain(odrl.load(policy)))]
    assert all(each.public(language) for each in tried if each for language in ("en", "zh"))


def _refusal(reading: Any, body: Any) -> Malformed | None:
    try:
        reading(body)
    except Malformed as refused:
        return refused
    return None
