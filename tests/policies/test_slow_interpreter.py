"""The compiled decision against a second reading of the JSON itself, on random policies, requests and facts."""

import random
from collections import Counter

import pytest
from hefu import canonical
from hefu.canonical import Object
from hefu_policies import odrl
from hefu_policies.deciding.decision import Effect, decide
from hefu_policies.deciding.policy import compile_policy
from hefu_policies.proving.replay import record, replay
from hefu_policies.words.terms import Phase
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.deep import DEEP
from tests.policies.chances import policies, some_facts, some_request
from tests.policies.interpreter import interpret

POLICIES = 2_600 if DEEP else 40
EACH = 40  # requests and facts a policy


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_the_compiled_decision_equals_a_slow_reading_of_the_json() -> None:
    seen: Counter[Effect] = Counter()

    @settings(max_examples=POLICIES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(policies(), st.integers(0, 2**32))
    def compared(policy: Object, seed: int) -> None:
        luck = random.Random(seed)
        contract = compile_policy(odrl.load(policy))
        for _ in range(EACH):
            request, known = some_request(policy, luck), some_facts(policy, luck)
            phase = luck.choice([*Phase])
            decision = decide(contract, request, known, phase)
            expected = interpret(policy, request, known, phase)
            seen[decision.effect] += 1
            told = decision.effect, decision.clause, list(decision.duties)
            assert told == expected, (phase, request, known)

    compared()
    print(f"\n{sum(seen.values())} decisions compared: {dict(seen)}")
    assert min(seen[each] for each in Effect) > sum(seen.values()) // 200  # no result is missed by chance
    assert sum(seen.values()) >= (100_000 if DEEP else 1500)


@settings(max_examples=20, deadline=None)
@given(policies(), st.integers(0, 2**32))
def test_every_decision_comes_out_the_same_from_its_record(policy: Object, seed: int) -> None:
    luck = random.Random(seed)
    contract = compile_policy(odrl.load(policy))
    for _ in range(5):
        decision = decide(contract, some_request(policy, luck), some_facts(policy, luck), luck.choice([*Phase]))
        again = replay(policy, canonical.decode_object(canonical.encode(record(decision))))
        assert (again.effect, again.reasons, again.duties) == (decision.effect, decision.reasons, decision.duties)


@settings(max_examples=20, deadline=None)
@given(policies(), st.integers(0, 2**32))
def test_knowing_less_never_permits_what_knowing_more_forbids(policy: Object, seed: int) -> None:
    luck = random.Random(seed)
    contract = compile_policy(odrl.load(policy))
    for _ in range(10):
        request, known = some_request(policy, luck), some_facts(policy, luck)
        less = {name: known[name] for name in known if luck.random() < 0.6}
        if decide(contract, request, less, Phase.RELEASE).permits:
            assert decide(contract, request, known, Phase.RELEASE).permits
