"""Other libraries beside ours: each in an environment of its own, made here, and in a process that waits ready."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

HERE = Path(__file__).parent
ENVIRONMENTS = HERE / ".environments"


@dataclass(frozen=True)
class Package:
    """What is compared.

    Attributes:
        script: below ``peers/``; answers questions (`peers/serving.py`).
        wants: as pip reads it.
        most: rows that it is given; more do not fit into this machine's memory or patience.
    """

    name: str
    script: str
    wants: tuple[str, ...]
    most: int


PACKAGES = (
    Package("OpenDP-Polars", "opendp_polars.py", ("opendp[polars]==0.16.0", "pyarrow"), 100_000_000),
    Package("SmartNoise-SQL", "smartnoise.py", ("smartnoise-sql==1.0.10", "pyarrow"), 1_000_000),
    Package("Tumult Analytics", "tumult.py", ("tmlt-analytics==0.21.0",), 10_000_000),
)


class Absent(Exception):
    """A package that cannot be compared, and why."""


def environment(package: Package) -> Path:
    """The Python of a package's environment, made where it is not there yet. Raises Absent."""
    folder = ENVIRONMENTS / Path(package.script).stem
    python, done = folder / "bin" / "python", folder / "done"
    if done.exists() and done.read_text("utf-8").split() == [*package.wants]:
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    made = subprocess.run(
        [str(python), "-m", "pip", "install", "-q", *package.wants], capture_output=True, text=True, check=False
    )
    if made.returncode:
        said = [line for line in made.stderr.splitlines() if line.startswith("ERROR")]
        raise Absent((said or ["it does not install"])[-1].removeprefix("ERROR: ")[:160])
    done.write_text("\n".join(package.wants), "utf-8")
    return python


class Peer:
    """A process that answers the benchmark's question with one package. Raises Absent where it cannot be started."""

    def __init__(self, package: Package, arguments: Sequence[str], patience: float) -> None:
        self._patience = patience
        script = HERE / "peers" / package.script
        self._process = subprocess.Popen(
            [str(environment(package)), str(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=Path(arguments[0]).parent,  # some leave files where they are started
        )
        self.name = f"{package.name} {self._read()['version']}"

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, unit: str) -> tuple[float, dict[str, list[float]]]:
        """Milliseconds, and the values of each region. Raises Absent where it fails or takes too long."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{unit}\n")
        self._process.stdin.flush()
        found = self._read()
        return found["ms"], found["values"]

    def _read(self) -> dict:  # type: ignore[type-arg]
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], self._patience)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self._process.kill()
            raise Absent("it ended" if ready else f"no answer within {self._patience:.0f} s")
        return json.loads(line)
