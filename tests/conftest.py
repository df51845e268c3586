"""What holds for every test: secrets that nobody named are drawn in a folder of the run, not in somebody's home."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def secrets_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))
