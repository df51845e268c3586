"""``hefu audit bundle``: one contract as one file that verifies offline, years later."""

from __future__ import annotations

import argparse
from pathlib import Path

from hefu.checking import verify
from hefu.evidence.bundle import open_bundle
from hefu.terminal.commands import Output, common

from hefu_audit import bundling
from hefu_audit.commands.asking import opened
from hefu_audit.commands.words import Commands, directory, pins, sub
from hefu_audit.home import Home


def add(group: Commands) -> None:
    """``bundle``."""
    one = common(sub(group, "bundle", "write one contract with its proofs as a bundle that hefu verify verifies"), _run)
    one.add_argument("agreement", help="the agreement, such as agr-…")
    one.add_argument("--out", type=Path, metavar="FILE", help="where to write the bundle (default: AGREEMENT.zip)")
    text = "under this earlier checkpoint of this auditor (a size), with the proof that the newest extends it"
    one.add_argument("--at", type=int, metavar="SIZE", help=text)


def _run(arguments: argparse.Namespace) -> int:
    output, home = Output.of(arguments), Home(directory(arguments))
    place = arguments.out or Path(f"{arguments.agreement}.zip")
    with opened(home) as index:
        made = bundling.write(place, index, arguments.agreement, arguments.at)
    with open_bundle(place) as bundle:
        report = verify.verify(bundle, pins(home))
    verify.show(report, output)
    output.say(
        f"{len(made.entries)} entries of {made.agreement}, under the checkpoint of {made.size} → {place}. "
        f"Verify anywhere: hefu verify {place} --space space.json",
        f"{made.agreement} 的 {len(made.entries)} 个条目，检查点长度 {made.size} → {place}。"
        f"可在任何地方验证：hefu verify {place} --space space.json",
    )
    return 0 if report.holds else 1
