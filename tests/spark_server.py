"""A real Spark Connect server for the tests, in an environment of its own: `make test-spark` makes it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path

from hefu_connector.sources.spark_connect import Server, session

PREFIX = Path(os.environ.get("HEFU_SPARK_SERVER") or Path(__file__).parents[1] / ".venv" / "spark-server")
_STARTED = re.compile(r"Spark Connect server started at: .*:(\d+)\s*$")
_CONF = {
    "spark.ui.enabled": "false",
    "spark.connect.grpc.binding.address": "127.0.0.1",
    "spark.connect.grpc.binding.port": "0",
    "spark.sql.shuffle.partitions": "2",
    # Neither the zone nor the order of letters of whoever runs the server may show in a number.
    "spark.sql.session.timeZone": "Asia/Shanghai",
    "spark.driver.extraJavaOptions": "-Duser.timezone=America/New_York -Duser.language=tr -Duser.country=TR",
}


def why_not() -> str:
    """Why there can be no server here; empty where there can."""
    if shutil.which("java") is None:
        return "no Java"
    return "" if _home() is not None else "no Spark: make test-spark installs it"


def _home() -> Path | None:
    return next(iter(PREFIX.glob("lib/python3*/site-packages/pyspark")), None)


class SparkServer:
    """A running server, whose tables are gone with it."""

    def __init__(self, folder: Path) -> None:
        home = _home()
        assert home is not None
        settings = [part for name, value in _CONF.items() for part in ("--conf", f"{name}={value}")]
        settings += ["--conf", f"spark.sql.warehouse.dir={folder / 'warehouse'}"]
        self._process = subprocess.Popen(
            [home / "bin" / "spark-submit", "--master", "local[2]", "--driver-memory", "1g", *settings,
             "--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"],
            env={**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"},
            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True, text=True,
        )  # fmt: skip
        self.address = Server("127.0.0.1", self._port(), tls=False)
        self._drained = threading.Thread(target=self._drain, daemon=True)
        self._drained.start()

    def run(self, statement: str) -> None:
        """Run a statement that gives nothing, such as one that makes a table."""
        with session(self.address, 300) as spark:
            for _ in spark.batches(statement, {}):
                pass

    def stop(self) -> None:
        """End the server."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._drained.join()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _port(self) -> int:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if found := _STARTED.search(line):
                return int(found[1])
        raise AssertionError("the server ended")

    def _drain(self) -> None:
        assert self._process.stderr is not None
        for _ in self._process.stderr:
            pass
