"""``hefu witness``: a key and a memory of its own, serving whoever asks, and what it cosigned last."""

from __future__ import annotations

import argparse
import os
import signal
import threading
from pathlib import Path
from typing import Any

from hefu.errors import Malformed
from hefu.running import logs
from hefu.space import SpaceFile
from hefu.terminal.commands import Group, Output, common
from hefu.times import SystemClock
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import Note, VerifierKey
from hefu.wire.witnessing import TYPES

from hefu_audit.home import Home
from hefu_audit.witnessing.home import WitnessHome
from hefu_audit.witnessing.memory import FileMemory

DEFAULT_DIRECTORY = "./hefu-witness"


def _add(parser: argparse.ArgumentParser) -> None:
    group = parser.add_subparsers(metavar="COMMAND", required=True)

    one = common(
        _sub(group, "init", "make a directory with a new key, and show the line for the witness policy"), _init
    )
    one.add_argument("--name", required=True, help="the witness's name, such as regulator-a.example/witness")
    _add_logs(one)
    one.add_argument("--key-type", choices=[*TYPES], default="ed25519", help="kind of the key (default: ed25519)")
    text = (
        "file:PATH (drawn if it is not there), env:NAME or passphrase: what the keys are encrypted under "
        "(default: a new file below ~/.config/hefu/secrets)"
    )
    one.add_argument("--secret", default="", metavar="SECRET", help=text)

    one = common(_sub(group, "know", "cosign further logs"), _know)
    _add_logs(one)

    one = common(_sub(group, "serve", "cosign what leads on, until SIGTERM or Ctrl-C"), _serve)
    one.add_argument("--listen", metavar="HOST:PORT", help="answer add-checkpoint over HTTP here; port 0 draws one")
    one.add_argument("--certificate", type=Path, metavar="FILE", help="PEM certificate: answer over HTTPS")
    one.add_argument("--key", type=Path, metavar="FILE", help="PEM key of the certificate")
    one.add_argument("--auditor", type=Path, metavar="DIR", help="ask the broker, with the certificate of this auditor")

    common(_sub(group, "status", "show what was cosigned last, and what was refused"), _status)


WITNESS = Group("witness", "cosign the checkpoints of logs, so that nobody can show two histories", _add)


def _add_logs(parser: argparse.ArgumentParser) -> None:
    text = "a space file, got from the operator: its log; may be repeated"
    parser.add_argument("--space", type=Path, action="append", default=[], metavar="FILE", help=text)
    text = "a log's verifier key; may be repeated"
    parser.add_argument("--log", action="append", default=[], metavar="KEY", help=text)


def _sub(group: Any, name: str, help_: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = group.add_parser(name, help=help_, description=help_[0].upper() + help_[1:] + ".")
    text = f"the witness's directory (default: HEFU_WITNESS_DIR, then {DEFAULT_DIRECTORY})"
    parser.add_argument("--dir", metavar="DIR", help=text)
    return parser


def _home(arguments: argparse.Namespace) -> WitnessHome:
    chosen = arguments.dir or os.environ.get("HEFU_WITNESS_DIR") or DEFAULT_DIRECTORY
    return WitnessHome(Path(chosen).expanduser().absolute())


def _logs(arguments: argparse.Namespace) -> list[VerifierKey]:
    found = [VerifierKey.parse(SpaceFile.read(each).log_key) for each in arguments.space]
    return [*found, *map(VerifierKey.parse, arguments.log)]


def _init(arguments: argparse.Namespace) -> int:
    output = Output.of(arguments)
    home = WitnessHome.make(
        _home(arguments).directory, arguments.name, _logs(arguments), arguments.key_type, arguments.secret
    )
    key, kept = str(home.key().public), home.lock().setting
    line = f"witness {_short(arguments.name)} {key}"
    output.say(
        f"Made {home.directory}; it opens with the secret {kept}.\n"
        f"The line for the witness policy (add http://HOST:PORT at its end if the broker is to ask):\n{line}",
        f"已建立 {home.directory}，由口令 {kept} 保护。\n"
        f"见证策略中的一行（若由平台来问，请在行末加上 http://主机:端口）：\n{line}",
    )
    output.data({"directory": str(home.directory), "key": key, "line": line, "secret": kept})
    return 0


def _know(arguments: argparse.Namespace) -> int:
    output, home = Output.of(arguments), _home(arguments)
    for each in _logs(arguments):
        home.know(each)
    known = [*home.logs()]
    output.say(f"Cosigns {', '.join(known)} from the next start on.", f"自下次启动起联署 {', '.join(known)}。")
    output.data({"logs": known})
    return 0


def _serve(arguments: argparse.Namespace) -> int:
    from hefu_audit.witnessing.polling import Polling
    from hefu_audit.witnessing.server import Server

    output, home, clock = Output.of(arguments), _home(arguments), SystemClock()
    if not arguments.listen and not arguments.auditor:
        raise Malformed("witness.idle")
    logs.configure("text")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    memory = FileMemory(home.memory)
    running: list[Server | Polling] = []
    try:
        witness = home.witness(memory, clock)
        ready: dict[str, object] = {"ready": True, "logs": [*home.logs()]}
        if arguments.listen:
            server = Server(arguments.listen, witness, home.logs(), arguments.certificate, arguments.key)
            running.append(server)
            ready["port"] = server.port
        if arguments.auditor:
            running.append(Polling(Home(arguments.auditor.absolute()), witness, home.key().public, memory, clock))
        for each in running:
            each.start()
        port = f" on port {ready['port']}" if "port" in ready else ""
        output.say(f"ready: {', '.join(home.logs())}{port}", f"就绪：{', '.join(home.logs())}{port}")
        output.data(ready)
        stop.wait()
    finally:
        for each in running:
            each.stop()
        memory.close()
    return 0


def _status(arguments: argparse.Namespace) -> int:
    output, home = Output.of(arguments), _home(arguments)
    memory, key = FileMemory(home.memory, writing=False), str(home.key().public)
    heads = {origin: _head(memory.newest(origin)) for origin in home.logs()}
    evidence = [str(each) for each in memory.kept_evidence()]
    output.say(key)
    output.table(
        ("log", "entries", "root"),
        [(origin, head.size if head else "-", head.root.hex() if head else "") for origin, head in heads.items()],
    )
    for each in evidence:
        output.say(f"Refused though the log had signed it: {each}", f"虽经日志签署而被拒绝：{each}")
    output.data(
        {
            "key": key,
            "logs": {
                origin: {"size": head.size, "root": head.root.hex()} if head else None for origin, head in heads.items()
            },
            "evidence": evidence,
        }
    )
    return 1 if evidence else 0


def _head(note: str | None) -> Checkpoint | None:
    return None if note is None else Checkpoint.parse(Note.parse(note).text)


def _short(name: str) -> str:
    """A name for the policy's own use: the first word of the witness's name."""
    return name.partition("/")[0].partition(".")[0]
