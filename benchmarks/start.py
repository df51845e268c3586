"""How long a broker and a connector take from their command to being ready. Aim: 3 s each."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hefu_space.harness import Process
from hefu_space.space import Member, Space
from measure import Page, milliseconds, percentile, summary

AIM = 3000.0
_ROUNDS = 8


def main() -> None:
    """Measure and write the page."""
    page = Page("start", "Start of a broker and of a connector")
    with tempfile.TemporaryDirectory() as folder:
        space = Space(Path(folder))
        try:
            space.found()
            (node,) = space.join([Member("provider", ("Provider", "提供方"), ("provider",))])
            rows = [(process.name, *_measure(process)) for process in (node.process, space.broker)]
        finally:
            space.stop()
    page.say(f"From `hefu … serve` to its ready line, {_ROUNDS} starts each, of an existing folder.", "")
    page.table(("process", "start", "p50 ÷ aim of 3 s", "aim met"), rows)
    page.write()


def _measure(process: Process) -> tuple[str, str, str]:
    found = []
    for _ in range(_ROUNDS):
        process.stop()
        found.append(milliseconds(process.start))
    half = percentile(found, 0.5)
    return summary(found), f"{half / AIM:.2f}", "yes" if half <= AIM else "no"


if __name__ == "__main__":
    main()
