"""Half-open, one-way, torn and refused connections, and what no honest peer would send, between real processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hefu.errors import HefuError
from hefu_space import harness

from tests.chaos.conftest import Town
from tests.chaos.proxy import BAD
from tests.journeys import acts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("mode", BAD)
def test_a_bad_way_to_the_broker_stops_no_contracted_work(healed: Town, tmp_path: Path, mode: str) -> None:
    record = healed.record()
    healed.broker_way.become(mode)
    with acts.caller(healed.consumer, healed.provider) as caller:
        done = [record.ask(caller) for _ in range(5)]
    assert all(done), "an agreement in force needs no broker"
    healed.broker_way.become("pass")
    record.settle()
    record.check(tmp_path)


@pytest.mark.parametrize("mode", BAD)
def test_a_consumer_gets_its_answers_once_the_way_is_good_again(healed: Town, tmp_path: Path, mode: str) -> None:
    record = healed.record()
    healed.provider_way.become(mode)
    bundle = tmp_path / "evidence.zip"
    before = len(_asked(healed))
    words = ("compute", "query", f'SELECT COUNT(*) AS n FROM "{healed.product}"', "--contract", record.deal.agreement)
    harness.run((*words, "--epsilon", "0.1", "--no-wait", "--dir", str(healed.consumer.folder)))
    healed.provider_way.become("pass")
    ended = {"released", "refused", "failed"}
    assert harness.until(lambda: len(_asked(healed)) > before and all(s in ended for s in _asked(healed)), 90)
    epsilon, releases = acts.charged(record.deal)
    assert epsilon == releases * 100_000_000
    assert releases <= 1
    assert harness.until(lambda: not acts.unsent(healed.provider), 30)
    assert acts.audit(healed.regulator, bundle, healed.space.space_file)["verified"]


def test_oversized_and_nested_messages_are_refused_and_stop_nobody(healed: Town, tmp_path: Path) -> None:
    record, pid = healed.record(), healed.provider.process.pid
    deep = b"[" * 200_000 + b"]" * 200_000
    bodies = [
        b"",
        b"\x00" * 1000,
        deep,
        b'{"payload":' + deep + b"}",
        b"{" + b'"a":{' * 100_000 + b"}" * 100_001,
        b'{"a":' + b"9" * 1_000_000 + b"}",
        b"x" * (3 << 20),
        b"x" * (6 << 20),
    ]
    with acts.caller(healed.consumer, healed.provider) as caller:
        for body in bodies:
            with pytest.raises(HefuError):
                caller.send(body)
        assert record.ask(caller)
    assert healed.provider.process.pid == pid
    assert healed.provider.process.alive
    record.settle()
    record.check(tmp_path)


def _asked(town: Town) -> list[str]:
    return [str(each["state"]) for each in town.consumer.do("compute", "show")["computations"]]
