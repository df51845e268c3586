"""A real worker is killed, not only refused: its process is gone within a second of what forbids it."""

from __future__ import annotations

import copy
import os
import select
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hefu.canonical import Object
from hefu.envelope import Statement
from hefu.statements import receipt
from hefu.statements.notices import SUSPENDED
from hefu.times import SystemClock
from hefu_connector.bootstrap import build
from hefu_connector.ports import FINAL, ComputationState, Run
from hefu_connector.running import Connector
from hefu_connector.workers.pool import Pool

from tests.connector.small_space import PURPOSE, Space, agree, eventually, offer, plan, provide

BOUND = 1000  # milliseconds; the promise


@dataclass
class Shifted(SystemClock):
    """The machine's clock, and a test's shift of it."""

    by: timedelta = field(default=timedelta(0))

    def now(self) -> datetime:
        return super().now() + self.by


@dataclass
class Stage:
    space: Space
    clock: Shifted

    @property
    def provider(self) -> Connector:
        return self.space.connectors["hospital-a"]

    @property
    def pool(self) -> Pool:
        found = self.provider.enforcement._world.workers
        assert isinstance(found, Pool)
        return found

    def running(self, agreement: str) -> int:
        """A computation in a real worker that hangs; a descriptor of the process."""
        self.pool.hello()
        stopped = [each.process.pid for each in self.pool._ready]
        for each in stopped:  # stopped before it is handed anything: it takes its work and never answers
            os.kill(each, signal.SIGSTOP)
        self.space.connectors["pharma-b"].asking.ask(plan("prd-visits", "0.1"), agreement, PURPOSE, "rui")
        at_work = eventually(lambda: [each.worker for each in self.pool._jobs.values() if each.worker])
        (worker,) = at_work
        assert worker.process.pid in stopped
        return os.pidfd_open(worker.process.pid)

    def end(self) -> Run:
        (newest,) = self.provider.enforcement._world.reader.runs(1)
        return newest


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("space")
    space, clock = Space(folder).open(), Shifted()
    try:
        directory = space.enrol("hospital-a", "provider", quantum_ms=20)
        space.connectors["hospital-a"] = provider = build(directory, clock)
        provider.start()
        space.member("pharma-b", "consumer")
        policy = copy.deepcopy(offer().policy)
        lasting: Object = {
            "leftOperand": "odrl:elapsedTime", "operator": "lteq",
            "rightOperand": {"@value": "PT4M", "@type": "xsd:duration"},
        }  # fmt: skip
        policy["permission"][0]["constraint"].append(lasting)  # type: ignore[index,union-attr,call-overload]
        provide(provider, folder, offers=(offer(policy=policy),))
        yield Stage(space, clock)
    finally:
        space.close()


def suspend(stage: Stage, agreement: str) -> None:
    stage.provider.desk.aftermath.notices.suspend(agreement, SUSPENDED, "a complaint is looked into", "li")


def let_its_time_pass(stage: Stage, agreement: str) -> None:
    stage.clock.by = timedelta(minutes=4)


@pytest.mark.parametrize(("happens", "why"), [(suspend, "contract.suspended"), (let_its_time_pass, "policy.lapsed")])
def test_the_process_is_gone_within_a_second_of_what_forbids_its_work(
    stage: Stage, happens: Callable[[Stage, str], None], why: str
) -> None:
    agreement = agree(stage.provider, stage.space.connectors["pharma-b"], "prd-visits")
    process = stage.running(agreement)
    ended = select.poll()
    ended.register(process, select.POLLIN)
    try:
        assert not ended.poll(0)
        happens(stage, agreement)
        assert ended.poll(BOUND), "the worker lives on"
    finally:
        os.close(process)
    run = eventually(lambda: found if (found := stage.end()).state in FINAL else None)
    assert (run.state, run.parts) == (ComputationState.FAILED, 0)
    assert run.receipt is not None
    assert receipt.Failure.of(Statement.parse(run.receipt)).code == why
