"""A worker for what needs a library that other workers are spared: a program of its own, started when it is asked for.

TenSEAL reads numbers by numpy, which the workers that wait never import. So those of this table wait for nobody; all
else is as theirs: one computation, no network, no files but what they are handed, gone after one answer.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Final

from hefu_connector.workers import main as worker

# Each module has a `make`, as those of `main.MAKERS`.
HEAVY: Final[Mapping[str, str]] = {
    "score": "hefu_connector.engines.homomorphic.serving",
    "total": "hefu_connector.engines.homomorphic.totalling",
    "total-open": "hefu_connector.engines.homomorphic.totals_opening",
    "keys": "hefu_connector.engines.homomorphic.making",
    "encrypt": "hefu_connector.engines.homomorphic.encrypting",
    "decrypt": "hefu_connector.engines.homomorphic.decrypting",
}


def main(arguments: Sequence[str]) -> None:
    """Run a worker; arguments as in `hefu_connector.workers.main`."""
    requests, answers, reached = worker.confine(arguments)
    worker.serve({name: worker.making(module, answers) for name, module in HEAVY.items()}, requests, answers, reached)


if __name__ == "__main__":
    main(sys.argv[1:])
