"""A whole space on one machine: a broker, participants with their connectors, a regulator; each a process and a folder.

The servers are processes of their own with real commands; enrolment calls what its commands call.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hefu_space.harness import Answer, Process, failed, must, run, until
from hefu_space.operator import Operator

if TYPE_CHECKING:
    from hefu.v1.control_pb2_grpc import ControlServiceStub

LOCAL = "127.0.0.1"
SPACE = "demo"
_AT_ONCE = 4
_ENROL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who will take part.

    Attributes:
        titles: English and Chinese name.
        roles: of provider and consumer.
    """

    name: str
    titles: tuple[str, str]
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """One participant: its connector's folder and process."""

    member: Member
    folder: Path
    process: Process

    @property
    def name(self) -> str:
        """The participant's id."""
        return self.member.name

    def ask(self, *words: str) -> Answer:
        """Run a command of this participant to its end, whatever that is."""
        return run((*words, "--dir", str(self.folder)), self.process.environment, host=self.process.host)

    def do(self, *words: str) -> Any:
        """Run a command of this participant; its document. Raises Unavailable where it fails."""
        return must((*words, "--dir", str(self.folder)), self.process.environment, host=self.process.host)

    @contextmanager
    def control(self) -> Iterator[ControlServiceStub]:
        """The control service, as this participant's own programs would call it."""
        from hefu.v1.control_pb2_grpc import ControlServiceStub
        from hefu.wire import transport
        from hefu_connector.desk import control_socket

        with (
            control_socket.address(self.folder) as address,
            transport.connect(address, root_pem=None) as channel,
        ):
            yield ControlServiceStub(channel)


class Space:
    """A space in a folder.

    Args:
        folder: new or empty; holds ``broker/``, ``broker-root/``, one folder a participant, ``secrets/`` and ``logs/``.
        environment: for all processes; with ``HEFU_TEST=1`` the space is made for tests.
        settings: for all connectors, in place of what ``hefu connector init`` writes.
        pages: whether the broker shows pages to browsers, on loopback without TLS.
    """

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str] | None = None,
        settings: Mapping[str, int | str] | None = None,
        *,
        pages: bool = False,
    ) -> None:
        self.pages = pages
        self.folder = folder.absolute()
        self.environment = environment or {}
        self.settings = dict(settings or {})
        self._tested = self.environment.get("HEFU_TEST") == "1"
        if self._tested:
            self.settings["test"] = True
        self.operator = Operator(self.broker_folder, self.root_folder)
        self.broker = self._process("broker", "broker", "serve", "--dir", str(self.broker_folder))
        self.nodes: dict[str, Node] = {}
        self.witnesses: list[Process] = []

    @property
    def broker_folder(self) -> Path:
        """The broker's folder."""
        return self.folder / "broker"

    @property
    def root_folder(self) -> Path:
        """The offline root's folder; the broker's process never opens it."""
        return self.folder / "broker-root"

    @property
    def secrets(self) -> Path:
        """What the folders are encrypted under; on separate machines it would lie where no copy of them goes."""
        return self.folder / "secrets"

    @property
    def space_file(self) -> Path:
        """What every participant is handed out of band."""
        return self.broker_folder / "space.json"

    def found(self) -> None:
        """Make the root and the broker, and start it. Raises HefuError."""
        main, enrolment, web = free_ports(3)
        pages = f"{LOCAL}:{web}" if self.pages else ""
        self.operator.found(SPACE, f"{LOCAL}:{main}", f"{LOCAL}:{enrolment}", test=self._tested, web=pages)
        self.broker.start()

    def join(self, members: Sequence[Member]) -> list[Node]:
        """Enrol participants, have the root certify them, start their connectors; all at once. Raises Unavailable."""
        nodes = self.enrol(members)
        for node in nodes:
            node.process.begin()
        for node in nodes:
            node.process.wait_ready()
        return nodes

    def enrol(self, members: Sequence[Member]) -> list[Node]:
        """Enrol participants and have the root certify them; their connectors do not run yet. Raises Unavailable."""
        ports = free_ports(len(members))
        nodes = [self._node(member) for member in members]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._enrol, nodes, ports))
        self.nodes |= {node.name: node for node in nodes}
        return nodes

    def join_regulator(self, name: str) -> Path:
        """Enrol a regulator; its folder, for ``hefu audit … --dir``. Raises Unavailable."""
        folder = self.folder / name
        made = ("audit", "init", "--space", str(self.space_file), "--participant", name, "--dir", str(folder))
        must((*made, "--secret", f"file:{self.secrets / name}"))
        token = self.operator.invite(name, frozenset({"regulator"}))
        asking = ("audit", "enroll", "--token", token, "--dir", str(folder))
        if not until(lambda: run(asking).error.get("error") == "audit.pending", _ENROL_SECONDS):
            raise failed(run(asking))
        self.operator.certify(name)
        must(("audit", "enroll", "--dir", str(folder)))
        return folder

    def join_witness(self, name: str, auditor: Path) -> Process:
        """A witness of another person: its own folder, key, memory and process; the charter pins it.

        Args:
            auditor: an enrolled regulator's folder, whose certificate opens the broker's door to the witness.

        Raises:
            Unavailable: it does not start.
        """
        folder = self.folder / name
        made = ("witness", "init", "--name", f"{name}.example/witness", "--space", str(self.space_file))
        line = must((*made, "--dir", str(folder), "--secret", f"file:{self.secrets / name}"))["line"]
        words = ("witness", "serve", "--auditor", str(auditor), "--dir", str(folder))
        process = self._process(name, *words)
        self.witnesses.append(process)
        policy = f"{line}\nquorum {line.split()[1]}\n"
        (self.folder / "policy.txt").write_text(policy, "utf-8")
        self.operator.charter((auditor.name,), policy)
        return process.start()

    def processes(self) -> list[Process]:
        """All servers, the broker first."""
        return [self.broker, *self.witnesses, *(each.process for each in self.nodes.values())]

    def stop(self) -> None:
        """Stop everything, connectors first; may be called at any time, and again."""
        connectors = [*self.witnesses, *(each.process for each in self.nodes.values())]
        with ThreadPoolExecutor(max(1, len(connectors))) as pool:
            list(pool.map(Process.stop, connectors))
        self.broker.stop()
        self.operator.close()

    def _node(self, member: Member) -> Node:
        folder = self.folder / member.name
        return Node(member, folder, self._process(member.name, "connector", "serve", "--dir", str(folder)))

    def _enrol(self, node: Node, port: int) -> None:
        from hefu_connector import setup
        from hefu_connector.membership import enrolling

        member = node.member
        roles = frozenset(member.roles)
        plan = setup.Plan(
            participant=member.name,
            connector=f"{member.name}-c1",
            names={"en": member.titles[0], "zh": member.titles[1]},
            roles=roles,
            listen=f"{LOCAL}:{port}" if "provider" in roles else "",
            secret=f"file:{self.secrets / member.name}",
        )
        setup.init(node.folder, self.space_file, plan)
        self._settle(node.folder)
        enrolment = enrolling.Enrolment(node.folder)
        enrolment.submit(self.operator.invite(member.name, roles))
        self.operator.certify(member.name)
        enrolment.wait()

    def _settle(self, folder: Path) -> None:
        """Overrule what the settings of a new connector say."""
        path = folder / "connector.json"
        path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **self.settings}, indent=2) + "\n", "utf-8")

    def _process(self, name: str, *words: str) -> Process:
        return Process(name, (*words, "--json"), self.folder / "logs" / f"{name}.log", self.environment)


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now. A server keeps its port over restarts, so it must be known beforehand."""
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.bind((LOCAL, 0))
        return [int(each.getsockname()[1]) for each in held]
    finally:
        for each in held:
            each.close()
