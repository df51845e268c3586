"""A second process for a broker: a folder of its own with the same keys, on the same database.

Each process holds its folder alone and keeps the newest checkpoint it has seen there. Which of them writes the log is
decided in the database (`hefu_broker.log.leadership`); both serve.
"""

from __future__ import annotations

import secrets as randomness
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from hefu.errors import Malformed
from hefu.space import SpaceFile

from hefu_broker.founding import SPACE, SPACES, folder_of, further
from hefu_broker.settings import FILE, Settings

# What belongs to one process: its database file, its lock and bell, and what it is just writing.
_OWN = shutil.ignore_patterns("broker.db*", "lock", "bell", "*.new", ".*", FILE)
_CHECKPOINT = "checkpoint.latest"


@dataclass(frozen=True, slots=True)
class Replica:
    """Where a second process runs.

    Attributes:
        of: the folder of a broker that is there; ``folder`` is the new one.
        address, enrolment: ``host:port`` to listen on; empty for the same as the other, on another host.
        relay: the same; the relay is each process's own, so empty is none.
    """

    of: Path
    folder: Path
    address: str = ""
    enrolment: str = ""
    relay: str = ""


def replicate(plan: Replica) -> tuple[Settings, list[str]]:
    """Make the folder of a second process, or bring the spaces into it that were added since.

    Returns:
        Its settings, and the ids of the spaces that are new in it.

    Raises:
        Malformed: there is no broker, its database is a file in its folder, or the new folder is another broker's.
    """
    original = Settings.read(plan.of)
    if not original.database:
        raise Malformed("replica.file")
    if (plan.folder / FILE).exists():
        return _bring_spaces(plan, original, Settings.read(plan.folder))
    node = f"{original.node[:40]}-{randomness.token_hex(4)}"
    made = replace(
        original,
        node=node,
        address=plan.address or original.address,
        enrolment=plan.enrolment or original.enrolment,
        relay=plan.relay,
        http="",
        checkpoint=_CHECKPOINT,
        secret=_seen_from_elsewhere(original.secret, plan.of),
    )
    plan.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    plan.folder.chmod(0o700)
    shutil.copytree(plan.of, plan.folder, ignore=_OWN, dirs_exist_ok=True)
    spaces = [original.space, *further(plan.of)]
    for each in spaces:
        _copy_checkpoint(plan, original, each)
    made.write(plan.folder)  # last: a folder with settings is complete
    return made, spaces


def _bring_spaces(plan: Replica, original: Settings, held: Settings) -> tuple[Settings, list[str]]:
    if (held.space, held.database, held.log_origin) != (original.space, original.database, original.log_origin):
        raise Malformed("broker.founded", path=str(plan.folder))
    missing = [each for each in further(plan.of) if each not in further(plan.folder)]
    for each in missing:
        making = plan.folder / SPACES / f".{each}-{randomness.token_hex(4)}"
        shutil.copytree(folder_of(plan.of, original, each), making, ignore=_OWN)
        making.rename(folder_of(plan.folder, held, each))
        _copy_checkpoint(plan, original, each)
    return held, missing


def _copy_checkpoint(plan: Replica, original: Settings, space: str) -> None:
    """The new process knows what the other has seen, wherever that keeps it."""
    home = folder_of(plan.of, original, space)
    settings = original if space == original.space else original.of_space(SpaceFile.read(home / SPACE))
    kept = home / settings.checkpoint
    if kept.exists():
        shutil.copyfile(kept, folder_of(plan.folder, original, space) / _CHECKPOINT)


def _seen_from_elsewhere(secret: str, folder: Path) -> str:
    """A secret's file is named relative to its folder; the other folder needs the whole path."""
    kind, colon, path = secret.partition(":")
    return f"{kind}{colon}{(folder / path).resolve()}" if kind == "file" else secret
