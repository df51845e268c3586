"""Write what an image is made of, as CycloneDX: every package that a tower brings, at the version that constraints pin.

``python deploy/sbom.py [FOLDER]`` writes ``hefu-broker.cdx.json``, ``hefu-connector.cdx.json`` and ``hefu.cdx.json``
(everything) into the folder, by default ``dist``. It asks no registry: which package needs which is read from what is
installed, and a package that the constraints do not pin stops it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
# As deploy/containers/*.Dockerfile install them.
PARTS = {"hefu-broker": ["broker", "telemetry"], "hefu-connector": ["connector", "telemetry"], "hefu": ["all"]}
_SPECIFICATION = "1.6"


def pins() -> dict[str, str]:
    """Versions by canonical name, from ``constraints.txt``."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    found = (re.match(r"([A-Za-z0-9._-]+)==(\S+)", line) for line in lines)
    return {canonicalize_name(each[1]): each[2] for each in found if each}


def closure(extras: Iterable[str]) -> list[str]:
    """Every package that these extras of ours bring, ours not among them.

    Raises:
        SystemExit: one is not pinned.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    waiting = [Requirement(each) for each in project["dependencies"]]
    waiting += [Requirement(f"hefu[{','.join(extras)}]")]
    known, seen, pinned = set(), set(), pins()
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if (name, *sorted(one.extras)) in seen:
            continue
        seen.add((name, *sorted(one.extras)))
        if name == "hefu":
            waiting += [Requirement(each) for extra in one.extras for each in project["optional-dependencies"][extra]]
            continue
        if name not in pinned:
            raise SystemExit(f"{name} is not pinned in constraints.txt")
        known.add(name)
        waiting += _needed(one)
    return sorted(known)


def _needed(one: Requirement) -> list[Requirement]:
    try:
        told = [Requirement(each) for each in requires(one.name) or ()]
    except PackageNotFoundError:
        raise SystemExit(f"{one.name} is not installed: pip install -c constraints.txt -e '.[dev]'") from None
    contexts: list[dict[str, str]] = [{"extra": extra} for extra in ("", *one.extras)]
    return [each for each in told if each.marker is None or any(map(each.marker.evaluate, contexts))]


def write(name: str, folder: Path) -> Path:
    """Write one part's list; the same packages give the same bytes."""
    pinned, path = pins(), folder / f"{name}.cdx.json"
    lines = "".join(f"{each}=={pinned[each]}\n" for each in closure(PARTS[name]))
    tool = Path(sys.executable).with_name("cyclonedx-py")
    words = ["requirements", "-", "--pyproject", ROOT / "pyproject.toml", "--output-reproducible", "--of", "JSON"]
    words += ["--spec-version", _SPECIFICATION, "--short-PURLs", "-o", path]
    subprocess.run([tool, *map(str, words)], input=lines, text=True, check=True, cwd=ROOT, capture_output=True)
    return path


def main(folder: Path) -> None:
    """Write all parts."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, extras in PARTS.items():
        print(f"{write(name, folder)}: {len(closure(extras))} packages")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "dist").absolute())
