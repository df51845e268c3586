"""How two processes divide the tests: the longest first, and those that share a space of processes one after another.

A process is handed whole files. One that takes a minute and comes last leaves the other process idle; and each process
that runs a journey starts the space of the journeys for itself, so one of them runs all of these.
"""

from __future__ import annotations

_SHARING = "the space of the journeys"
# Measured on an idle machine of two cores. Whatever is not named takes less than twenty seconds, in any order.
_LONGEST = (
    _SHARING,
    "tests/journeys/test_joint_agreement.py",
    "tests/journeys/test_carbon_footprint.py",
    "tests/journeys/test_replicas.py",
    "tests/journeys/test_delivery.py",
    "tests/connector/test_joint_agreements.py",
    "tests/connector/test_joint_totals.py",
    "tests/journeys/test_tutorial.py",
    "tests/journeys/test_exact.py",
    "tests/chaos/test_simulator.py",
    "tests/connector/test_dialect.py",
    "tests/broker/test_two_processes.py",
    "tests/operations/test_telemetry.py",
    "tests/broker/test_catalog.py",
    "tests/broker/test_contracts.py",
    "tests/connector/test_control.py",
    "tests/policies/test_slow_interpreter.py",
    "tests/contracts/test_store_machine.py",
    "tests/contracts/test_store_processes.py",
)
_TOGETHER = dict.fromkeys(
    (
        "tests/journeys/test_old_store.py",
        "tests/journeys/test_publish_to_audit.py",
        "tests/journeys/test_refusals.py",
        "tests/journeys/test_scores.py",
        "tests/journeys/test_standing_and_absence.py",
    ),
    _SHARING,
)
FILES = (*_TOGETHER, *(each for each in _LONGEST if each != _SHARING))
_TURNS = {unit: turn for turn, unit in enumerate(_LONGEST)}


def unit(file: str) -> str:
    """What is handed to one process as a whole: a file, or several that share what is dear."""
    return _TOGETHER.get(file, file)


def turn(file: str) -> int:
    """The place of a file in the order; those of equal places stay in theirs."""
    return _TURNS.get(unit(file), len(_TURNS))


def shares(file: str) -> bool:
    """Whether a file's tests run in the space of the journeys."""
    return unit(file) == _SHARING
