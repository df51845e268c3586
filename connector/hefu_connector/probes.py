"""What the connector's health port shows: whether it can serve contracted work, and how much waits.

An absent broker is told and does not make a connector unready: contracted computations go on inside their contracts'
offline window (promise A-a), and taking the connector out of service would end them.
"""

from __future__ import annotations

from dataclasses import dataclass

from hefu.running.health import Check, Probes
from hefu.times import read_time

from hefu_connector.computing.enforcement import Enforcement
from hefu_connector.membership.flush import Flush
from hefu_connector.membership.renewal import TransportIdentity
from hefu_connector.membership.trust import SpaceTrust
from hefu_connector.settings import Settings
from hefu_connector.storage.database import Database
from hefu_connector.workers.pool import Pool

_STALE = 5  # looks at the status list that may fail


@dataclass(frozen=True, slots=True)
class Seen:
    """What is looked at."""

    settings: Settings
    database: Database
    pool: Pool
    identity: TransportIdentity
    trust: SpaceTrust
    flush: Flush
    enforcement: Enforcement


def of(seen: Seen) -> Probes:
    """Checks and gauges of a serving connector."""

    def store() -> str:
        with seen.database.reading() as connection:
            connection.exec_driver_sql("SELECT 1")
        return ""

    def left() -> float:
        return (read_time(seen.identity.valid_until()) - seen.trust.clock.now()).total_seconds()

    def certificate() -> str:
        if left() <= 0:
            return "the transport certificate has run out, and the broker gave no new one yet"
        return "" if seen.identity.bound.is_set() else "the space does not know the transport certificate yet"

    def workers() -> str:
        return "no worker process can be started" if seen.pool.failing else ""

    def broker() -> str:
        late = seen.trust.age() > _STALE * seen.settings.status_seconds + 20
        if not late:
            return ""
        return f"status list {seen.trust.age():.0f} s old; work goes on inside the contracts' offline window"

    checks = (
        Check("store", store),
        Check("certificate", certificate),
        Check("workers", workers),
        Check("broker", broker, needed=False),
    )
    gauges = {
        "hefu_computations_running": seen.enforcement.running,
        "hefu_workers_ready": lambda: float(seen.pool.ready),
        "hefu_outbox_waiting": seen.flush.waiting,
        "hefu_status_age_seconds": seen.trust.age,
        "hefu_certificate_seconds": left,
    }
    return Probes(checks, gauges)
