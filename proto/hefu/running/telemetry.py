"""What a running server tells its own operator: counts, times and traces, by names that stand in one table.

Without the extra ``hefu[telemetry]``, or before `start`, everything here does nothing. INVARIANT: nothing of the data
is told: labels and attributes come from the tables below, and an exception is told by its code, never by its words.

Times are told as they were, finer than the release quantum that consumers see: they are for the operator alone.
"""

from __future__ import annotations

import contextvars
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, Literal, Protocol

from hefu.errors import HefuError

log = logging.getLogger("hefu.telemetry")
Metadata = Sequence[tuple[str, str | bytes]]
Gauges = Mapping[str, Callable[[], float]]


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is counted, timed or read; ``labels`` have few values, none of them a person's or a table's."""

    kind: Literal["counter", "histogram", "gauge"]
    help: str
    labels: tuple[str, ...] = ()


MEASURES: Mapping[str, Measure] = {
    "hefu_rpc_seconds": Measure(
        "histogram", "Calls answered, by outcome: ok or an error's code.", ("method", "outcome")
    ),
    "hefu_streams_total": Measure("counter", "Streams that ended, by outcome.", ("method", "outcome")),
    "hefu_step_seconds": Measure("histogram", "Steps of the work; the same names as in traces.", ("step",)),
    "hefu_computations_total": Measure("counter", "Computations that ended here as provider, by state.", ("state",)),
    "hefu_loop_failures_total": Measure("counter", "Steps of background work that failed.", ("loop",)),
    "hefu_computations_running": Measure("gauge", "Computations that run or wait here."),
    "hefu_workers_ready": Measure("gauge", "Worker processes that wait for work."),
    "hefu_log_unpublished": Measure("gauge", "Log entries that are committed and wait for witnesses."),
    "hefu_witnesses_missing": Measure("gauge", "Witnesses whose cosignature the publication of the log waits for."),
    "hefu_outbox_waiting": Measure("gauge", "Statements not yet in the log, counted up to a thousand."),
    "hefu_status_age_seconds": Measure("gauge", "Age of the newest verified status list."),
    "hefu_certificate_seconds": Measure("gauge", "Seconds until the transport certificate ends."),
    "hefu_log_size": Measure("gauge", "Entries in the audit log under the newest checkpoint."),
}
STEPS: Mapping[str, str] = {
    "computation.ask": "the consumer's connector signs, keeps and sends a request",
    "computation.admit": "steps 1 to 4 at the provider: authenticate, admit, decide, reserve",
    "computation.decide": "step 3: contract, plan and decision point",
    "computation.reserve": "step 4: the charge is durable",
    "computation.run": "steps 5 to 8, in the background",
    "worker.wait": "until a worker process is free",
    "worker.run": "step 5: the engine in its process",
    "computation.release": "steps 6 and 7: guard, seal and journal",
    "journal.flush": "receipts to the broker's log",
    "log.sequence": "one batch into the tree, and its checkpoint",
}
ATTRIBUTES = frozenset({"computation", "agreement", "engine", "entries", "state"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_PARENT = "traceparent"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_ADVICE = "pip install 'hefu[telemetry]'"


class _Spans(Protocol):
    def span(self, name: str, attributes: Mapping[str, str | int]) -> AbstractContextManager[None]: ...
    def served(self, name: str, parent: str, *, current: bool) -> AbstractContextManager[None]: ...
    def parent(self) -> str: ...
    def close(self) -> None: ...


class _Off:
    """Where there is no OpenTelemetry, or nobody asked for traces."""

    def span(self, name: str, attributes: Mapping[str, str | int]) -> AbstractContextManager[None]:
        return nullcontext()

    def served(self, name: str, parent: str, *, current: bool) -> AbstractContextManager[None]:
        return nullcontext()

    def parent(self) -> str:
        return ""

    def close(self) -> None:
        pass


_meters: dict[str, Any] = {}
_registry: Any = None
_spans: _Spans = _Off()


def start(service: str, instance: str) -> None:
    """Count from now on, and send traces where an endpoint is set in ``OTEL_EXPORTER_OTLP_ENDPOINT``.

    Args:
        service: ``hefu-broker`` or ``hefu-connector``.
        instance: which one, such as the connector's id.
    """
    global _registry, _spans  # noqa: PLW0603 - one process is one service
    try:
        _registry = _measure()
        if any(os.environ.get(name) for name in _ENDPOINTS):
            _spans = _Traces(service, instance)
    except ImportError as fault:
        log.warning("telemetry is off: the package %s is absent; %s", fault.name, _ADVICE)


def stop() -> None:
    """Send what waits to be sent, and count no more."""
    global _registry, _spans
    spans, _spans, _registry = _spans, _Off(), None
    _meters.clear()
    spans.close()


def count(name: str, *labels: str) -> None:
    """One more of it."""
    if meter := _meters.get(name):
        meter.labels(*labels).inc()


def observe(name: str, seconds: float, *labels: str) -> None:
    """It took so long."""
    if meter := _meters.get(name):
        meter.labels(*labels).observe(seconds)


@contextmanager
def step(name: str, **attributes: str | int) -> Iterator[None]:
    """A step of the work: timed, and a span of the trace.

    Args:
        name: one of `STEPS`.
        attributes: of `ATTRIBUTES` only: ids and counts, never anything of the data.
    """
    if name not in STEPS or not ATTRIBUTES.issuperset(attributes):
        raise AssertionError(f"step {name!r} or an attribute of it does not stand in hefu.telemetry")
    started = time.monotonic()
    try:
        with _spans.span(name, attributes):
            yield
    finally:
        observe("hefu_step_seconds", time.monotonic() - started, name)


@contextmanager
def served(method: str, metadata: Metadata) -> Iterator[None]:
    """One call that is answered; its caller's trace goes on in it.

    Args:
        method: as gRPC spells it, ``/hefu.v1.LogService/GetCheckpoint``.
        metadata: of a caller that has a certificate; empty where there is none.
    """
    started = time.monotonic()
    with ExitStack() as stack:
        stack.push(
            _Outcome(lambda outcome: observe("hefu_rpc_seconds", time.monotonic() - started, _plain(method), outcome))
        )
        stack.enter_context(_spans.served(_plain(method), _told_parent(metadata), current=True))
        yield


@contextmanager
def streamed(method: str, metadata: Metadata) -> Iterator[None]:
    """As `served`, for an answer in many messages."""
    with ExitStack() as stack:
        stack.push(_Outcome(lambda outcome: count("hefu_streams_total", _plain(method), outcome)))
        stack.enter_context(_spans.served(_plain(method), _told_parent(metadata), current=False))
        yield


def outcome_of(fault: BaseException | None) -> str:
    """How an end is told: ``ok``, or a failure's code."""
    if isinstance(fault, HefuError):
        return fault.code
    if fault is None:
        return "ok"
    return "cancelled" if isinstance(fault, GeneratorExit) else "internal"


def carry() -> tuple[tuple[str, str], ...]:
    """The present trace as gRPC metadata (W3C ``traceparent``), for a call to a peer; empty where there is none."""
    parent = _spans.parent()
    return ((_PARENT, parent),) if parent else ()


def bound(work: Callable[..., object]) -> Callable[..., object]:
    """The same work for another thread, as part of the present trace."""
    context = contextvars.copy_context()
    return lambda *words: context.run(work, *words)


def render(gauges: Gauges) -> bytes:
    """Everything counted, in Prometheus' text form, and these gauges as they are now.

    Raises:
        ImportError: the extra is not installed, or nothing was started.
    """
    if _registry is None:
        raise ImportError(_ADVICE)
    from prometheus_client import generate_latest

    lines = [generate_latest(_registry).decode()]
    for name, read in gauges.items():
        lines.append(f"# HELP {name} {MEASURES[name].help}\n# TYPE {name} gauge\n{name} {_value(read)}\n")
    return "".join(lines).encode()


class _Outcome:
    """Tells how a block ended, and lets what it raised go on."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        self._tell(outcome_of(fault))


def _plain(method: str) -> str:
    return method.strip("/")


def _value(read: Callable[[], float]) -> float:
    try:
        return float(read())
    except HefuError:
        return math.nan


def _measure() -> Any:
    import prometheus_client as prometheus

    registry = prometheus.CollectorRegistry()
    prometheus.ProcessCollector(registry=registry)
    prometheus.Gauge("hefu_info", "The version that runs.", ["version"], registry=registry).labels(version("hefu")).set(
        1
    )
    for name, each in MEASURES.items():
        if each.kind == "counter":
            _meters[name] = prometheus.Counter(name, each.help, each.labels, registry=registry)
        elif each.kind == "histogram":
            _meters[name] = prometheus.Histogram(name, each.help, each.labels, registry=registry, buckets=_SECONDS)
    return registry


def _told_parent(metadata: Metadata) -> str:
    return next((value for name, value in metadata if name == _PARENT and isinstance(value, str)), "")


class _Traces:
    """OpenTelemetry, sending by OTLP over HTTP from a thread of its own; what cannot be sent is dropped."""

    def __init__(self, service: str, instance: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        told = {"service.name": service, "service.instance.id": instance, "service.version": version("hefu")}
        self._provider = TracerProvider(resource=Resource.create(told), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("hefu")
        self._form = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, str | int]) -> Iterator[None]:
        told = {f"hefu.{each}": value for each, value in attributes.items()}
        started = self._tracer.start_as_current_span(
            name,
            attributes=told,
            record_exception=False,  # its words may hold values
            set_status_on_exception=False,
        )
        with started as span, _Outcome(partial(_judge, span)):
            yield

    @contextmanager
    def served(self, name: str, parent: str, *, current: bool) -> Iterator[None]:
        from opentelemetry import trace

        # Only `traceparent` is taken over, 55 letters of a strict form; no `tracestate`, in which anything may stand.
        context = self._form.extract({_PARENT: parent}) if parent else None
        span = self._tracer.start_span(name, context, trace.SpanKind.SERVER)
        held = trace.use_span(span, record_exception=False, set_status_on_exception=False)
        try:
            with held if current else nullcontext(), _Outcome(partial(_judge, span)):
                yield
        finally:
            span.end()

    def parent(self) -> str:
        carrier: dict[str, str] = {}
        self._form.inject(carrier)
        return carrier.get(_PARENT, "")

    def close(self) -> None:
        self._provider.shutdown()


def _judge(span: Any, outcome: str) -> None:
    from opentelemetry.trace import StatusCode

    if outcome not in ("ok", "cancelled"):
        span.set_status(StatusCode.ERROR, outcome)
