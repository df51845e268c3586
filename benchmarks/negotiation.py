"""Contract negotiations from the consumer's request to an agreement in force on its side. Aim: p50 of 300 ms."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hefu.v1 import control_pb2
from hefu.wire import transport
from hefu_space.space import Node, Space
from measure import Page, percentile, summary
from world import founded

AIM = 300.0
_ROUNDS = 30
_AT_ONCE = 8
_PATIENCE = 60.0


def main() -> None:
    """Measure and write the page."""
    page = Page("negotiation", "Contract negotiation")
    with tempfile.TemporaryDirectory() as folder:
        space = Space(Path(folder))
        try:
            consumer, product = founded(space)
            _negotiate(consumer, product)  # the first one opens connections
            one = [_negotiate(consumer, product) for _ in range(_ROUNDS)]
            started = time.perf_counter()
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                many = list(pool.map(lambda _: _negotiate(consumer, product), range(_ROUNDS)))
            rate = _ROUNDS / (time.perf_counter() - started)
        finally:
            space.stop()
    half = percentile(one, 0.5)
    page.say(
        "REQUESTED → AGREED → VERIFIED → FINALIZED through the broker: four signed messages, a countersignature,",
        "the log's checkpoint, and the inclusion proof verified by the consumer; measured at its control socket.",
        "",
    )
    page.table(
        ("what", "time", "p50 ÷ aim of 300 ms", "aim met"),
        [
            ("one after another", summary(one), f"{half / AIM:.2f}", "yes" if half <= AIM else "no"),
            ("of these the first ten", summary(one[:10]), "", ""),
            ("of these the last ten", summary(one[-10:]), "", ""),
            (f"{_AT_ONCE} at once", f"{summary(many)}, {rate:.1f} a second", "", ""),
        ],
    )
    page.write()


def _negotiate(consumer: Node, product: str) -> float:
    """Milliseconds from the request until the consumer's connector says that the agreement is in force."""
    with consumer.control() as stub:
        request = control_pb2.RequestContractRequest(
            product=f"products/{product}", offer="bench", purpose="dpv:ScientificResearch"
        )
        started = time.perf_counter()
        made = transport.invoke(stub.RequestContract, request, peer=consumer.name, timeout=_PATIENCE)
        wanted = control_pb2.GetContractRequest(name=made.name, wait_seconds=int(_PATIENCE))
        made = transport.invoke(stub.GetContract, wanted, peer=consumer.name, timeout=_PATIENCE + 10)
        if made.state != control_pb2.Contract.STATE_ACTIVE:
            raise TimeoutError(f"{made.name} is not in force")
        return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
