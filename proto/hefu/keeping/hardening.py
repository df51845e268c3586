"""What a process that holds keys or data gives up for good: leaving its memory on a disk, or to another process."""

from __future__ import annotations

import ctypes
import resource

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def keep_memory_private() -> bool:
    """No core dump, whatever pattern the kernel has, and no attaching by other processes of this user.

    Returns:
        Whether the kernel took it; other systems than Linux have the first half only.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)
    return prctl is not None and prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0
