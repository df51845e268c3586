"""The broker's rooms together, as the edges (services, commands) are handed them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hefu.changes import Changes
from hefu.space import SpaceFile
from hefu.times import Clock

from hefu_broker.authority import Authority
from hefu_broker.catalog import Catalog
from hefu_broker.contracts import Contracts
from hefu_broker.enrolment import Enrolments
from hefu_broker.log import AuditLog
from hefu_broker.registry import Registry
from hefu_broker.sequencer import Sequencer
from hefu_broker.settings import Settings
from hefu_broker.standing import Standings
from hefu_broker.storage.database import Database


@dataclass(frozen=True, slots=True)
class Rooms:
    """The broker's rooms over one folder, without servers and threads."""

    folder: Path
    settings: Settings
    space: SpaceFile
    clock: Clock
    database: Database
    authority: Authority
    registry: Registry
    enrolments: Enrolments
    standings: Standings
    catalog: Catalog
    contracts: Contracts
    changes: Changes
    sequencer: Sequencer
    log: AuditLog
