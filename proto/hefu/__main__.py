"""The command ``hefu``: ``verify`` stands here, every other group comes from the entry points ``hefu.commands``.

Only the group that is used is imported. `verify` needs the base install alone.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points, version
from importlib.util import find_spec
from itertools import pairwise

from hefu.envelope import new_id
from hefu.errors import Defect, HefuError
from hefu.terminal.commands import Group, Output, explain, language
from hefu.terminal.helps import in_chinese

_EXTRAS = {"hefu_space": "demo", "hefu_broker": "broker", "hefu_connector": "connector", "hefu_audit": "audit"}
_INTERRUPTED = 130  # 128 + SIGINT, as shells say it


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = argparse.Namespace()
    try:
        parser(words).parse_args(words, arguments)
        return int(arguments.run(arguments))
    except HefuError as error:
        return explain(error, Output.of(arguments))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as fault:  # noqa: BLE001 - this is the edge
        return _defect(fault, Output.of(arguments))


def parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for these words; a group that they do not name is listed, not loaded, unless all are listed."""
    made = argparse.ArgumentParser(
        prog="hefu", description="Compute on each other's data without seeing it: the two halves of a tally."
    )
    made.add_argument("--version", action="version", version=f"hefu {version('hefu')}")
    commands = made.add_subparsers(title="commands", metavar="COMMAND", required=True)
    chosen = next((word for word in words if not word.startswith("-")), "")
    if chosen in ("", "verify"):
        _add_verify(commands)
    else:
        commands.add_parser("verify")
    for point in sorted(entry_points(group="hefu.commands"), key=lambda each: each.name):
        if chosen in ("", point.name):
            group = _load(point, used=chosen == point.name)
            group.add(commands.add_parser(group.name, help=group.help, description=group.help))
        elif chosen != "verify":
            commands.add_parser(point.name)
    return in_chinese(made) if language(_said(words)) == "zh" else made


def _said(words: Sequence[str]) -> str:
    """The language that the words ask for, read before there is a parser for them; empty where they do not."""
    for word, after in pairwise([*words, ""]):
        if word == "--lang":
            return after
        if word.startswith("--lang="):
            return word.removeprefix("--lang=")
    return ""


def _add_verify(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from hefu.checking.verify import VERIFY

    VERIFY.add(commands.add_parser(VERIFY.name, help=VERIFY.help, description=VERIFY.help))


def _load(point: EntryPoint, *, used: bool) -> Group:
    """The group of an entry point; where its packages are absent, one that says which extra to install."""
    try:
        group = point.load()
    except ImportError as fault:
        missing = (fault.name or "").partition(".")[0]
        # A room of ours that is not there is our fault, unless its whole tower is absent, as it is in an image.
        if used and missing in {"hefu", "hefu_policies", *_EXTRAS} and _installed(missing):
            raise
        return _absent(point, fault.name or "?")
    if not isinstance(group, Group):
        raise TypeError(f"entry point {point.name} is not a command group")
    return group


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # a test set it aside
        return False


def _absent(point: EntryPoint, package: str) -> Group:
    extra = _EXTRAS.get(point.module.partition(".")[0], "all")
    advice = f"pip install 'hefu[{extra}]'"

    def run(_: argparse.Namespace) -> int:
        sys.stderr.write(f"hefu {point.name} needs the package {package}: {advice}\n")
        return 2

    def add(one: argparse.ArgumentParser) -> None:
        one.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
        one.set_defaults(run=run)

    return Group(point.name, f"(not installed: {advice})", add)


def _defect(fault: Exception, output: Output) -> int:
    """Say that it is our fault and where; the exception's own words may hold values and are not printed."""
    reference = new_id("err")
    sys.stderr.write("".join(traceback.format_tb(fault.__traceback__)))
    sys.stderr.write(f"{type(fault).__name__} ({reference})\n")
    return explain(Defect("internal", reference=reference), output)


if __name__ == "__main__":
    sys.exit(main())
