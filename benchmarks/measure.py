"""What the benchmarks share: percentiles, the machine in words, the disk's sync, and a page of results."""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def milliseconds(work: Callable[[], object]) -> float:
    """How long one run of something takes."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of all values lies; the nearest one that was measured."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def summary(values: Sequence[float]) -> str:
    """Median and 99th percentile, in milliseconds."""
    return f"p50 {statistics.median(values):.1f} ms, p99 {percentile(values, 0.99):.1f} ms"


def sync_milliseconds(folder: Path | None = None, count: int = 200) -> float:
    """The median time that the disk takes to sync 4 KiB appended to a file."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        found = []
        for _ in range(count):
            file.write(b"\0" * 4096)
            file.flush()
            found.append(milliseconds(lambda: os.fdatasync(file.fileno())))
    return statistics.median(found)


def processor_seconds(pid: int) -> tuple[float, float]:
    """What a process took of a processor so far, and its children that are over; seconds, as Linux counts them."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    mine, theirs = (sum(map(int, fields[first : first + 2])) for first in (11, 13))
    tick = os.sysconf("SC_CLK_TCK")
    return mine / tick, theirs / tick


def machine() -> str:
    """Cores, processor and Python."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"{os.cpu_count()} cores, {model}, {platform.system()}, Python {platform.python_version()}, load before {load}"
    )


class Page:
    """A page of results, printed as it grows and written at its end."""

    def __init__(self, name: str, title: str) -> None:
        now = datetime.now(UTC)
        self._path = RESULTS / f"{name}-{now:%Y-%m-%d}.md"
        self._lines: list[str] = []
        self.say(f"# {title}", "", f"{now:%Y-%m-%d %H:%M} UTC; {machine()}.", "")

    def say(self, *lines: str) -> None:
        """Add lines."""
        for line in lines:
            print(line, flush=True)
            self._lines.append(line)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add a table."""
        self.say("| " + " | ".join(headings) + " |", "|" + "---|" * len(headings))
        self.say(*("| " + " | ".join(map(str, row)) + " |" for row in rows), "")

    def write(self) -> None:
        """Write the page."""
        RESULTS.mkdir(exist_ok=True)
        self._path.write_text("\n".join(self._lines).rstrip() + "\n", "utf-8")
        print(f"written: {self._path.relative_to(Path.cwd()) if self._path.is_relative_to(Path.cwd()) else self._path}")
