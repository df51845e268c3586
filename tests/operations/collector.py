"""An OpenTelemetry collector for tests: takes spans over HTTP as a real one does, and keeps them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    service: str
    instance: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]
    failed: str


@dataclass
class Collector:
    address: str = ""
    spans: list[Span] = field(default_factory=list)

    def named(self, name: str) -> list[Span]:
        return [each for each in list(self.spans) if each.name == name]

    def above(self, span: Span) -> list[str]:
        """Names from a span up to the root of its trace."""
        known = {each.id: each for each in list(self.spans) if each.trace == span.trace}
        names = []
        while span.parent in known:
            span = known[span.parent]
            names.append(f"{span.instance} {span.name}")
        return names

    def take(self, data: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(data).resource_spans:
            about = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                for each in scope.spans:
                    self.spans.append(
                        Span(
                            about["service.name"],
                            about["service.instance.id"],
                            each.name,
                            each.trace_id.hex(),
                            each.span_id.hex(),
                            each.parent_span_id.hex(),
                            {a.key: a.value.string_value or str(a.value.int_value) for a in each.attributes},
                            each.status.message,
                        )
                    )


@contextmanager
def collecting() -> Iterator[Collector]:
    held = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            held.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    held.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield held
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
