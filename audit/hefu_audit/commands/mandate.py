"""What a regulator does under the charter's mandate: the filing key that contracts are opened to."""

from __future__ import annotations

import argparse

from hefu import filing
from hefu.commands import Output, common

from hefu_audit.commands.words import Commands, directory, sub
from hefu_audit.home import Home


def add(group: Commands) -> None:
    """``key``."""
    common(sub(group, "key", "print the filing key that the charter names for this regulator"), _key)


def _key(arguments: argparse.Namespace) -> int:
    output, home = Output.of(arguments), Home(directory(arguments))
    line = f"{home.ring().participant}={filing.public(home.filing())}"
    output.data({"filing": line})
    output.say(
        f"Filing key: {line}\nThe root's holder names it: hefu broker charter set --filing {line}",
        f"归档密钥：{line}\n由根密钥持有者写入章程：hefu broker charter set --filing {line}",
    )
    return 0
