"""The list of what an image is made of: whole, pinned, and the same for the same constraints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("sbom")
    subprocess.run([sys.executable, ROOT / "deploy/sbom.py", folder], check=True, capture_output=True)
    return {path.name.partition(".")[0]: json.loads(path.read_text()) for path in folder.glob("*.cdx.json")}


def _names(document: Any) -> dict[str, str]:
    return {each["name"].lower(): each["version"] for each in document["components"]}


@pytest.mark.slow
@pytest.mark.deep
def test_each_image_has_a_list_of_what_it_installs(lists: dict[str, Any]) -> None:
    assert set(lists) == {"hefu", "hefu-broker", "hefu-connector"}
    broker, connector = _names(lists["hefu-broker"]), _names(lists["hefu-connector"])
    assert {"grpcio", "cryptography", "protobuf", "sqlcipher3", "cffi"} <= set(broker) & set(connector)
    assert {"opendp", "duckdb", "pyarrow"} <= set(connector) - set(broker)
    assert not {"pytest", "mypy", "hypothesis", "scikit-learn"} & (set(broker) | set(connector))
    assert set(broker) | set(connector) <= set(_names(lists["hefu"]))


@pytest.mark.slow
@pytest.mark.deep
def test_versions_are_those_of_the_constraints(lists: dict[str, Any]) -> None:
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    pinned = {canonicalize_name(name): version for name, version in pinned.items()}
    for document in lists.values():
        assert document["bomFormat"] == "CycloneDX"
        for name, version in _names(document).items():
            assert pinned[canonicalize_name(name)] == version


def test_an_image_installs_what_its_list_was_made_for() -> None:
    sys.path.insert(0, str(ROOT / "deploy"))
    import sbom

    for tower in ("broker", "connector"):
        text = (ROOT / f"deploy/containers/{tower}.Dockerfile").read_text()
        assert f'"hefu[{",".join(sbom.PARTS[f"hefu-{tower}"])}] @' in text
