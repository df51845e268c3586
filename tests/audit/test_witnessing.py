"""A witness as its own program: what the specification's clients see over HTTP, and what it never forgets."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu.__main__ import main
from hefu.errors import Conflict, HefuError
from hefu.times import SystemClock
from hefu.tlog import checkpoint, cosignature, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import ED25519, Note, VerifierKey
from hefu.tlog.witness import NotCosigned, Refusal, Request, Witness
from hefu_audit.witnessing import server as serving
from hefu_audit.witnessing.home import WitnessHome
from hefu_audit.witnessing.memory import FileMemory
from hefu_audit.witnessing.server import Server

LOG = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEY = VerifierKey("broker.example/hefu", ED25519, LOG.public_key().public_bytes_raw())
LEAVES = [tree.leaf_hash(str(number).encode()) for number in range(12)]


def request(old: int, size: int, leaves: list[bytes] = LEAVES) -> Request:
    proof = tuple(tree.consistency_proof(old, size, tree.reader(leaves[:size]))) if 0 < old < size else ()
    return Request(old, proof, checkpoint.sign(Checkpoint(KEY.name, size, tree.root(leaves[:size])), KEY, LOG.sign))


FORKED = [*LEAVES[:4], *(tree.leaf_hash(b"forged%d" % number) for number in range(8))]


@pytest.fixture
def home(tmp_path: Path) -> WitnessHome:
    return WitnessHome.make(tmp_path / "witness", "regulator-a.example/w", [KEY], "ed25519", f"file:{tmp_path}/secret")


@pytest.fixture
def memory(home: WitnessHome) -> Iterator[FileMemory]:
    made = FileMemory(home.memory)
    yield made
    made.close()


@pytest.fixture
def made(home: WitnessHome, memory: FileMemory) -> Witness:
    return home.witness(memory, SystemClock())


@pytest.fixture
def port(home: WitnessHome, made: Witness) -> Iterator[int]:
    server = Server("127.0.0.1:0", made, home.logs())
    server.start()
    yield server.port
    server.stop()


def ask(port: int, body: str | bytes, path: str = "/add-checkpoint", method: str = "POST") -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body.encode() if isinstance(body, str) else body)
    answered = connection.getresponse()
    found = answered.status, answered.read().decode(), answered.headers["Content-Type"]
    connection.close()
    return found


def test_published_sequences_are_answered_over_http_as_published(
    vectors: Callable[[str], Any], home: WitnessHome, memory: FileMemory
) -> None:
    for name in ("witness/add-checkpoint-sequence.json", "witness/sumdb-sequence.json"):
        case = vectors(name)
        if "log_vkey" in case:
            key = VerifierKey.parse(case["log_vkey"])
        else:
            key = VerifierKey(case["origin"], ED25519, bytes.fromhex(case["log_public_key_hex"]))
        own, logs = home.key(), {case["origin"]: key}
        made = Witness({case["origin"]: [key]}, [(own.public, own.sign)], memory, SystemClock().now)
        server = Server("127.0.0.1:0", made, logs)
        server.start()
        for step in case["steps"]:
            status, body, kind = ask(server.port, step["request"])
            unknown = 'body contains "unknown log"' in step["asserts"]
            assert status == (404 if unknown else step["status"])
            if status == 409:
                assert step["asserts"] == [f'body == "{body}"'.replace("\n", "\\n")]
                assert kind == "text/x.tlog.size"
            if status == 200:
                asked = Request.parse(step["request"])
                whole = Note.parse(asked.note.rpartition("\n\n")[0] + "\n\n" + body)
                assert cosignature.verify(whole, home.key().public)
        server.stop()


def test_each_status_of_the_specification_over_http(port: int, home: WitnessHome, memory: FileMemory) -> None:
    shown = __import__("hashlib").sha256(KEY.name.encode()).hexdigest()
    assert ask(port, "", f"/{shown}/checkpoint", "GET")[0] == 404
    assert ask(port, str(request(0, 5)))[0] == 200
    assert ask(port, str(request(0, 7)))[:2] == (409, "5\n")
    assert ask(port, str(request(5, 9, FORKED)))[0] == 422
    assert len(memory.kept_evidence()) == 1
    assert ask(port, str(request(5, 4)))[0] == 400
    for broken in (b"\xff\xfe", b"", b"old 05\n\n", b"x" * (serving.LARGEST + 1)):
        assert ask(port, broken)[0] == 400
    assert ask(port, str(request(5, 7)).replace("old 5", "old 5").replace("broker.example/hefu\n7", "x\n7"))[0] == 404
    signature = str(request(5, 7))
    assert ask(port, signature[:-8] + "AAAAA==\n")[0] in (400, 403)
    assert ask(port, "", "/elsewhere")[0] == 404
    status, body, _ = ask(port, "", f"/{shown}/checkpoint", "GET")
    assert status == 200
    assert checkpoint.verify(body, KEY).size == 5
    assert cosignature.verify(Note.parse(body), home.key().public)


def test_a_caller_that_says_nothing_is_cut_off_and_holds_up_nobody(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_connection(("127.0.0.1", port)) as silent:
        silent.sendall(b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 60000\r\n\r\nold ")
        assert ask(port, str(request(0, 5)))[0] == 200
        monkeypatch.setattr(serving, "SECONDS", 0.1)
        with socket.create_connection(("127.0.0.1", port)) as late:
            late.settimeout(10)
            assert late.recv(100) == b""


def test_nothing_cosigned_is_forgotten_over_a_restart(home: WitnessHome) -> None:
    for size in (5, 8):
        memory = FileMemory(home.memory)
        with pytest.raises(Conflict):
            FileMemory(home.memory)  # two on one memory could cosign two histories
        home.witness(memory, SystemClock()).add(request(5 if size == 8 else 0, size))
        memory.close()
    memory = FileMemory(home.memory)
    made = home.witness(memory, SystemClock())
    with pytest.raises(NotCosigned) as caught:
        made.add(request(5, 9))
    assert (caught.value.refusal, caught.value.size) == (Refusal.CONFLICT, 8)
    newest = memory.newest(KEY.name)
    with pytest.raises(Conflict):
        memory.replace(KEY.name, newest, request(0, 5).note)  # whatever asks for it
    memory.close()
    next(home.memory.glob("*.checkpoint")).write_text("altered")
    with pytest.raises(HefuError):
        home.witness(FileMemory(home.memory), SystemClock()).add(request(8, 9))


def test_a_witness_by_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--dir", str(tmp_path / "w"), "--json")

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        code = main(["witness", *words, *where])
        out = capsys.readouterr().out
        return code, json.loads(out) if out else {}

    start = ("init", "--name", "regulator-a.example/w", "--log", str(KEY), "--secret", f"file:{tmp_path}/s")
    code, said = run(*start, "--key-type", "ml-dsa-44")
    assert code == 0
    assert said["line"] == f"witness regulator-a {said['key']}"
    assert b"ENCRYPTED" in (tmp_path / "w" / "keys" / "witness.key").read_bytes()
    assert run(*start)[0] == 1  # its key is never replaced
    assert run("serve")[0] == 2  # nobody could ask it
    home = WitnessHome(tmp_path / "w")
    memory = FileMemory(home.memory)
    lines = home.witness(memory, SystemClock()).add(request(0, 5))
    whole = Note.parse(request(0, 5).note.rpartition("\n\n")[0] + "\n\n" + lines)
    assert cosignature.verify(whole, VerifierKey.parse(said["key"]))
    assert run("status") == (0, {
        "key": said["key"],
        "logs": {KEY.name: {"size": 5, "root": tree.root(LEAVES[:5]).hex()}},
        "evidence": [],
    })  # fmt: skip
    with pytest.raises(NotCosigned):
        home.witness(memory, SystemClock()).add(request(5, 9, FORKED))
    memory.close()
    code, said = run("status")
    assert (code, len(said["evidence"])) == (1, 1)
    assert run("know", "--log", str(VerifierKey(KEY.name, ED25519, bytes(32))))[0] == 1
