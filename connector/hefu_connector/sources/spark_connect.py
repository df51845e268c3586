"""A Spark Connect server, as far as sources need it: one session, SQL that we made, Arrow back.

Only messages are exchanged, by gRPC as with peers: no Spark and no Java in this process, no pandas. What Spark says
when something fails may hold data, and goes nowhere. A session is released when it is left, which ends what still runs
in it; a call that takes too long is given up, and then so is the session.
LIMIT: a server older than 4.0 reads the statements otherwise and is refused.
"""

from __future__ import annotations

import ipaddress
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import grpc
from hefu.errors import Unavailable

if TYPE_CHECKING:
    from pyspark.sql.connect.proto import expressions_pb2

TOKEN = "SPARK_CONNECT_AUTHENTICATE_TOKEN"  # noqa: S105 - the name of Spark's own variable, not what it holds
_LARGEST = 128 << 20  # bytes of one message
_SHORT = 120.0  # seconds; a cold server takes long to say anything
_OLDEST = (4, 0)
# What statements mean hangs on these, so they are said and not hoped for.
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.execution.arrow.useLargeVarTypes": "false",
}

Value = str | int | float


@dataclass(frozen=True, slots=True)
class Server:
    """Where a Spark Connect server listens, and whether it is spoken to under TLS."""

    host: str
    port: int
    tls: bool

    @property
    def target(self) -> str:
        """As gRPC writes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_near(host: str) -> bool:
    """Whether a host is this machine itself, so that nobody on a network hears what is said."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


class Session:
    """A session of its own. Not to be used by two threads at once.

    Attributes:
        name: by which the server and its log call it.
    """

    def __init__(self, channel: grpc.Channel, seconds: float) -> None:
        from pyspark.sql.connect.proto import base_pb2_grpc

        self._stub: Any = base_pb2_grpc.SparkConnectServiceStub(channel)
        self._seconds = seconds
        self.name = str(uuid.uuid4())
        token = os.environ.get(TOKEN)
        self._head = [("authorization", f"Bearer {token}")] if token else []

    def prepare(self) -> None:
        """Say what the statements take for granted. Raises Unavailable for a server that is too old."""
        from pyspark.sql.connect.proto import base_pb2 as base

        pairs = [base.KeyValue(key=key, value=value) for key, value in _SETTINGS.items()]
        operation = base.ConfigRequest.Operation(set=base.ConfigRequest.Set(pairs=pairs))
        version = base.AnalyzePlanRequest.SparkVersion()
        found = self._call(self._stub.AnalyzePlan, base.AnalyzePlanRequest(**self._of(), spark_version=version))
        numbers = found.spark_version.version.split(".")[:2]
        if tuple(int(each) if each.isdecimal() else 0 for each in numbers) < _OLDEST:
            raise Unavailable("source.moved", detail="Spark is older than 4.0")
        self._call(self._stub.Config, base.ConfigRequest(**self._of(), operation=operation))

    def columns(self, query: str) -> Mapping[str, str]:
        """The columns of a query with their types, as Spark's own messages call them; nothing is computed."""
        from pyspark.sql.connect.proto import base_pb2 as base

        asked = base.AnalyzePlanRequest.Schema(plan=_plan(query, {}))
        found = self._call(self._stub.AnalyzePlan, base.AnalyzePlanRequest(**self._of(), schema=asked))
        return {each.name: each.data_type.WhichOneof("kind") for each in found.schema.schema.struct.fields}

    def batches(self, query: str, values: Mapping[str, Value]) -> Iterator[Any]:
        """What a query gives, as Arrow batches; one at least, so that there are columns."""
        import pyarrow as pa
        from pyspark.sql.connect.proto import base_pb2 as base

        request = base.ExecutePlanRequest(**self._of(), plan=_plan(query, values), client_type="hefu")
        try:
            for answer in self._stub.ExecutePlan(request, timeout=self._seconds, metadata=self._head):
                if answer.HasField("arrow_batch"):
                    yield from pa.ipc.open_stream(answer.arrow_batch.data)
        except (grpc.RpcError, pa.ArrowException) as fault:
            raise _unavailable(fault) from None

    def release(self) -> None:
        """End the session, and what still runs in it."""
        from pyspark.sql.connect.proto import base_pb2 as base

        with suppress(grpc.RpcError):
            self._stub.ReleaseSession(base.ReleaseSessionRequest(**self._of()), timeout=_SHORT, metadata=self._head)

    def _of(self) -> dict[str, Any]:
        from pyspark.sql.connect.proto import base_pb2 as base

        return {"session_id": self.name, "user_context": base.UserContext(user_id="hefu")}

    def _call(self, call: Any, request: Any) -> Any:
        try:
            return call(request, timeout=_SHORT, metadata=self._head)
        except grpc.RpcError as fault:
            raise _unavailable(fault) from None


@contextmanager
def session(server: Server, seconds: float) -> Iterator[Session]:
    """A session that is ready, until the context is left.

    Args:
        seconds: that one query may take.

    Raises:
        Unavailable: the server cannot be reached, refuses us, or is too old; or its words are not installed here.
    """
    if find_spec("pyspark") is None:
        raise Unavailable("source.extra", form="spark", extra="spark")
    # No proxy stands between: what is said without TLS would pass through it.
    options = [("grpc.max_receive_message_length", _LARGEST), ("grpc.enable_http_proxy", 0)]
    credentials = grpc.ssl_channel_credentials()
    channel = (
        grpc.secure_channel(server.target, credentials, options)
        if server.tls
        else grpc.insecure_channel(server.target, options)
    )
    with channel:
        made = Session(channel, seconds)
        try:
            made.prepare()
            yield made
        finally:
            made.release()


def _plan(query: str, values: Mapping[str, Value]) -> Any:
    from pyspark.sql.connect.proto import base_pb2 as base
    from pyspark.sql.connect.proto import relations_pb2 as relations

    arguments = {name: _literal(value) for name, value in values.items()}
    return base.Plan(root=relations.Relation(sql=relations.SQL(query=query, named_arguments=arguments)))


def _literal(value: Value) -> expressions_pb2.Expression:
    from pyspark.sql.connect.proto.expressions_pb2 import Expression

    literal = Expression.Literal
    if isinstance(value, str):
        return Expression(literal=literal(string=value))
    return Expression(literal=literal(double=value) if isinstance(value, float) else literal(long=value))


def _unavailable(fault: Exception) -> Unavailable:
    code = fault.code().name if isinstance(fault, grpc.Call) else type(fault).__name__
    return Unavailable("source.moved", detail=f"Spark: {code}")
