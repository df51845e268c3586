"""``hefu demo``: a whole data space on this machine, on real data, in about two minutes."""

from __future__ import annotations

import argparse
import signal
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from hefu.errors import Malformed
from hefu.terminal.commands import Group, Output, common

from hefu_space.questions import COUNT

if TYPE_CHECKING:
    from hefu_space.demo import Demo


def _add(parser: argparse.ArgumentParser) -> None:
    common(parser, _demo)
    parser.add_argument("--dir", type=Path, help="a new or empty directory (default: a new temporary one)")
    parser.add_argument(
        "--keep", action="store_true", help="leave everything running until Ctrl-C, and say how to use it"
    )
    parser.add_argument("--data", type=Path, metavar="FILE.csv", help="tell the story on a table of your own")


DEMO = Group("demo", "a whole data space on this machine, on real data", _add)


def _demo(arguments: argparse.Namespace) -> int:
    from hefu_space import demo

    output = Output.of(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the processes it started end with it
    keep = (lambda told: _keep(told, output)) if arguments.keep else None
    if arguments.dir is not None:
        if arguments.dir.exists() and any(arguments.dir.iterdir()):
            raise Malformed("demo.not_empty", folder=str(arguments.dir))
        return demo.run(arguments.dir.absolute(), output, arguments.data, keep=keep)
    # It stays: the evidence in it is what the demo is about.
    return demo.run(Path(tempfile.mkdtemp(prefix="hefu-demo-")), output, arguments.data, keep=keep)


def _keep(told: Demo, output: Output) -> None:
    """Say how to use the running space, and wait for Ctrl-C."""
    from hefu_space.demo import REGULATOR
    from hefu_space.space import LOCAL

    consumer, provider = told.consumer, told.space.nodes[told.deals[0].product.provider]
    deal = told.deals[-1]
    query = COUNT.format(table=f'"{deal.product.id}"')
    examples = (
        f"  hefu catalog search --dir {consumer.folder}\n"
        f"  hefu contract list --dir {consumer.folder}\n"
        f"  hefu compute query '{query}' --contract {deal.agreement} --epsilon 0.5 --dir {consumer.folder}\n"
        f"  hefu release list --dir {provider.folder}\n"
        f"  hefu contract page {deal.agreement} --dir {consumer.folder}\n"
        f"  hefu audit page --dir {told.space.folder / REGULATOR}\n"
        f"  http://{LOCAL}:{told.space.broker.ready['web_port']}/\n"
    )
    output.say(
        f"\nEverything still runs. In another terminal, for example:\n{examples}Press Ctrl-C here to stop.",
        f"\n一切仍在运行。可在另一终端执行，例如：\n{examples}在此按 Ctrl-C 停止。",
    )
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        output.say("Stopping.", "正在停止。")
