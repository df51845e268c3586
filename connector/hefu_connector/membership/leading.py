"""What only one of several processes of a connector does in the background, and what each does for itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Lead(Protocol):
    """Whether this process leads."""

    @property
    def epoch(self) -> int:
        """Of its lead, higher with every change; 0 where it does not lead."""
        ...


class Led:
    """A step that is done while this process leads, and nothing else while it does not.

    Args:
        anew: called before the first step of each lead, since another process may have left things undone.
    """

    def __init__(self, lead: Lead, step: Callable[[], None], anew: Callable[[], None] = lambda: None) -> None:
        self._lead = lead
        self._step = step
        self._anew = anew
        self._epoch = 0

    def __call__(self) -> None:
        """Do the step if it is this process's; raises as the step does."""
        epoch = self._lead.epoch
        if epoch == 0:
            return
        if epoch != self._epoch:
            self._anew()
            self._epoch = epoch
        self._step()
