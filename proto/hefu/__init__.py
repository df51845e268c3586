"""The protocol floor: contracts in bytes. `connect` is the door for analysts, who import nothing else.

import hefu

space = hefu.connect()
space.product("prd-…").query("SELECT COUNT(*) AS n FROM data", epsilon="0.5")
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hefu.analysis import Space

__all__ = ["connect"]


def connect(where: str | os.PathLike[str] | None = None) -> Space:
    """The data space that a running connector of this account is in; see `hefu.analysis.Space`.

    Args:
        where: the connector's directory or its socket; HEFU_DIR where absent, then ``./hefu-connector``.

    Raises:
        Unavailable: no connector runs there.
        NotFound: the connector's packages are not installed.
    """
    from hefu import analysis

    return analysis.connect(where)
