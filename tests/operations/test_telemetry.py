"""Counts and traces of a real space: broker, provider and consumer as processes, and a collector."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hefu.envelope import new_id
from hefu.running import telemetry
from hefu_space import data, products
from hefu_space.harness import until
from hefu_space.space import LOCAL, SPACE, Member, Space, free_ports

from tests.journeys import acts
from tests.operations.collector import Collector, collecting
from tests.operations.http import get

PROVIDER = Member("hospital-a", ("Hospital A", "甲医院"), ("provider",))
CONSUMER = Member("institute", ("Institute", "研究院"), ("consumer",))
HTTP = "127.0.0.1:0"


@dataclass(frozen=True)
class Watched:
    """A space after one release and one refusal, and what was seen of it."""

    space: Space
    collector: Collector
    computation: str
    metrics: dict[str, str]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with collecting() as collector:
        environment = {
            "HEFU_TEST": "1",
            "HEFU_LOG": "json",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        space = Space(tmp_path_factory.mktemp("watched"), environment, {"quantum_ms": 0, "http": HTTP})
        try:
            yield _story(space, collector)
        finally:
            space.stop()


def _story(space: Space, collector: Collector) -> Watched:
    main, enrolment = free_ports(2)
    space.operator.found(SPACE, f"{LOCAL}:{main}", f"{LOCAL}:{enrolment}")
    path = space.broker_folder / "broker.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "http": HTTP}))
    space.broker.start()
    provider, consumer = space.join([PROVIDER, CONSUMER])
    (made,) = products.tumour_products([data.hospitals()[0]], [(provider.name, PROVIDER.titles)])
    terms = replace(made.terms, approval="automatic", budget="1", releases=2, minimum_group=1)
    made = replace(made, terms=terms, lifetime=("10", 100)).named(new_id("prd"))
    table = provider.folder / "data" / "tumours.csv"
    made.extract.write(table)
    provider.do("source", "add", made.source, str(table))
    file = provider.folder / "tumours.yaml"
    file.write_text(made.text(), "utf-8")
    provider.do("product", "publish", str(file))
    deal = acts.agree(provider, consumer, made.id, terms.name)
    released = acts.query(deal)
    acts.query(deal, epsilon="100")  # more than there is
    assert until(lambda: bool(collector.named("journal.flush")) and bool(collector.named("computation.run")), 20)
    ports = {each.name: each.ready["http_port"] for each in space.processes()}
    metrics = {name: get(port, "/metrics")[1].decode() for name, port in ports.items()}
    return Watched(space, collector, released.computation.name.removeprefix("computations/"), metrics)


def test_one_trace_runs_from_the_consumers_people_to_the_providers_worker(watched: Watched) -> None:
    collector = watched.collector
    (worker,) = [each for each in collector.named("worker.run") if each.attributes["hefu.engine"] == "statistics"]
    above = collector.above(worker)
    assert above == [
        "hospital-a-c1 computation.run",
        "hospital-a-c1 computation.admit",
        "hospital-a-c1 hefu.v1.ComputationService/CreateComputation",
        "institute-c1 computation.ask",
        "institute-c1 hefu.v1.ControlService/CreateComputation",
    ]


def test_a_call_of_the_broker_stands_in_its_callers_trace(watched: Watched) -> None:
    collector = watched.collector
    appended = collector.named("hefu.v1.LogService/AppendStatements")
    assert {each.service for each in appended} == {"hefu-broker"}
    # What runs is said at the start, in no trace; what a journal holds, when it is flushed.
    assert ["hospital-a-c1 journal.flush"] in [collector.above(each) for each in appended]


def test_a_refusal_is_told_by_its_code_alone(watched: Watched) -> None:
    (failed,) = [each for each in watched.collector.spans if each.failed and each.name.startswith("computation.")]
    assert failed.failed in ("budget.exhausted", "policy.refused", "computation.refused")


def test_attributes_hold_ids_and_counts_only(watched: Watched) -> None:
    told = {name: value for each in watched.collector.spans for name, value in each.attributes.items()}
    assert {name.removeprefix("hefu.") for name in told} <= telemetry.ATTRIBUTES
    assert told["hefu.computation"].startswith("cmp-")


def test_releases_calls_and_steps_are_counted(watched: Watched) -> None:
    provider, broker = watched.metrics["hospital-a"], watched.metrics["broker"]
    assert 'hefu_computations_total{state="released"} 1.0' in provider
    assert 'hefu_computations_total{state="refused"} 1.0' in provider
    assert 'hefu_step_seconds_count{step="computation.run"} 1.0' in provider
    call = 'method="hefu.v1.ComputationService/CreateComputation",outcome="ok"'
    assert f"hefu_rpc_seconds_count{{{call}}} 2.0" in provider
    assert "\nhefu_log_size " in broker
    assert "\nhefu_workers_ready " in provider


def test_every_line_of_the_logs_is_one_json_object(watched: Watched) -> None:
    lines = []
    for process in watched.space.processes():
        text = process.log.read_text()
        lines += [line for line in text[text.rfind("}\n{") + 2 :].splitlines() if line.startswith('{"time"')]
        assert [line for line in text.splitlines() if "Traceback" in line] == []
    assert lines
    assert all({"time", "level", "logger", "message"} <= set(json.loads(line)) for line in lines)


def test_the_tables_name_what_the_code_tells_and_nothing_else() -> None:
    root = Path(__file__).parents[2]
    used: dict[str, set[str]] = {"step": set(), "count": set(), "observe": set()}
    gauges = set()
    for folder in ("proto/hefu", "broker/hefu_broker", "connector/hefu_connector"):
        for path in (root / folder).rglob("*.py"):
            tree = ast.parse(path.read_text())
            for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
                name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                if name in used and call.args and isinstance(call.args[0], ast.Constant):
                    used[name].add(call.args[0].value)
            if path.name == "probes.py":
                strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
                gauges |= {each for each in strings if isinstance(each, str) and each.startswith("hefu_")}
    assert used["step"] == set(telemetry.STEPS)
    told = {each for each in used["count"] | used["observe"] if str(each).startswith("hefu_")}
    assert told | gauges == set(telemetry.MEASURES)


def test_without_the_extra_nothing_is_told_and_nothing_breaks() -> None:
    script = (
        "import sys\nsys.modules.update(dict.fromkeys(('prometheus_client', 'opentelemetry')))\n"
        "from hefu.running import telemetry\ntelemetry.start('hefu-broker', 'x')\n"
        "with telemetry.step('worker.run'): telemetry.count('hefu_loop_failures_total', 'x')\n"
        "assert telemetry.carry() == ()\n"
        "try: telemetry.render({})\n"
        "except ImportError as fault: print(fault)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "hefu[telemetry]" in done.stdout
