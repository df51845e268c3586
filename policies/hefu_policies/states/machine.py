"""State machines as tables: how one is read, walked and drawn. Each machine is one frozen table in its own room.

A table maps (state, role, move) to the next state. ``None`` is the state of what does not exist yet. A move that is
not in the table is refused, also by whoever made it before; a state without a move out of it is final.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from hefu.errors import Conflict

S = TypeVar("S", bound=StrEnum)
R = TypeVar("R", bound=StrEnum)
M = TypeVar("M", bound=StrEnum)


def step(machine: str, table: Mapping[tuple[S | None, R, M], S], state: S | None, role: R, move: M) -> S:
    """The state after a move.

    Raises:
        Conflict: the table has no such move.
    """
    after = table.get((state, role, move))
    if after is None:
        raise Conflict("state.refused", machine=machine, state=_word(state), role=role.value, move=move.value)
    return after


def is_final(table: Mapping[tuple[S | None, R, M], S], state: S) -> bool:
    """Whether no move leads out of the state."""
    return all(before is not state for before, _, _ in table)


def draw(title: str, table: Mapping[tuple[S | None, R, M], S]) -> str:
    """The table as Markdown: one line a transition, roles that may make the same move together."""
    lines = [f"## {title}", "", "| from | move | by | to |", "|---|---|---|---|"]
    rows: dict[tuple[S | None, M, S], list[str]] = {}
    for (before, role, move), after in table.items():
        rows.setdefault((before, move, after), []).append(role.value)
    for (before, move, after), roles in rows.items():
        lines.append(f"| {_word(before)} | {move.value} | {', '.join(roles)} | {after.value} |")
    finals = sorted({after.value for after in table.values() if is_final(table, after)})
    lines += ["", f"Final: {', '.join(finals)}. Every pair that is not in the table is refused.", ""]
    return "\n".join(lines)


def _word(state: StrEnum | None) -> str:
    return "start" if state is None else state.value
