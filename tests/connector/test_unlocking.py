"""A space of version 0.1.0, in the clear, that gets secrets: everything goes on, and nothing can be read any more."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hefu.__main__ import main
from hefu.errors import Conflict, Malformed, Untrusted
from hefu.keeping import keys, secret, sqlcipher
from hefu.keeping.unlocking import Lock
from hefu_broker.bootstrap import Server
from hefu_connector.settings import Home, Settings
from hefu_connector.storage import Database
from hefu_connector.unlocking import change, unlock

from tests.connector.small_space import Space


def lay_open(folder: Path, settings: Path, passphrase: bytes | None = None) -> None:
    """Make a folder that was never served what version 0.1.0 made: no vault, keys in the clear (or encrypted alone)."""
    document = json.loads(settings.read_text())
    opened = Lock(folder, folder / "keys", document.pop("secret")).open()
    assert opened is not None
    (folder / "keys" / "vault.json").unlink()
    for path in (folder / "keys").glob("*.key"):
        key = keys.read_key(path, opened.passphrase)
        path.unlink()
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        path.chmod(0o600)
        if passphrase and path.name != "transport.key":
            path.unlink()
            keys.write_key(path, key, passphrase)
    settings.write_text(json.dumps(document))


@pytest.fixture
def space(tmp_path: Path) -> Iterator[Space]:
    made = Space(tmp_path).open()
    yield made
    made.close()


def in_the_clear(folder: Path) -> set[str]:
    return {path.name for path in (folder / "keys").glob("*.key") if b"ENCRYPTED" not in path.read_bytes()} | {
        path.name for path in folder.glob("*.db") if sqlcipher.is_plain(path)
    }


def test_a_connector_and_a_broker_of_version_0_1_0_are_taken_over(
    space: Space, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = space.enrol("hospital-a", "provider")
    space.stop_broker()
    broker = space.broker_folder
    # The broker's database was made under its vault, so it is laid open in place of one of 0.1.0.
    opened = Lock(broker, broker / "keys", json.loads((broker / "broker.json").read_text())["secret"]).open()
    assert opened is not None
    _export(broker / "broker.db", opened.derive("database"))
    lay_open(broker, broker / "broker.json")
    lay_open(folder, folder / "connector.json")

    space.server = Server(broker)
    space.server.start()
    with caplog.at_level(logging.WARNING):
        space.start("hospital-a")
    assert "in the clear" in caplog.text
    signer = Settings.read(Home(folder)).ring(Home(folder)).signer().key
    space.stop("hospital-a")
    space.stop_broker()
    assert in_the_clear(folder) == {"signing.key", "sealing.key", "transport.key", "connector.db"}
    assert in_the_clear(broker) >= {"log.key", "authority.key", "broker.db"}

    for group, of in (("broker", broker), ("connector", folder)):
        words = [group, "secret", "change", "--dir", str(of), "--to", f"file:{tmp_path}/apart/{group}", "--json"]
        assert main(words) == 0
        assert json.loads(capsys.readouterr().out)["secret"] == f"file:{tmp_path}/apart/{group}"
    space.server = Server(broker)
    space.server.start()
    space.start("hospital-a")
    assert in_the_clear(folder) == in_the_clear(broker) == set()
    home = Home(folder)
    assert Settings.read(home).ring(home).signer().key == signer
    (tmp_path / "apart" / "connector").unlink()
    with pytest.raises(Malformed, match="cannot be read"):
        Settings.read(home).ring(home)


def test_a_passphrase_of_version_0_1_0_becomes_the_secret(space: Space, tmp_path: Path) -> None:
    folder = space.enrol("hospital-a", "provider")
    (tmp_path / "pass").write_bytes(b"open sesame")
    (tmp_path / "pass").chmod(0o600)
    lay_open(folder, folder / "connector.json", b"open sesame")
    document = json.loads((folder / "connector.json").read_text())
    (folder / "connector.json").write_text(json.dumps({**document, "passphrase_file": "../pass"}))
    space.start("hospital-a")
    settings = Settings.read(Home(folder))
    assert (settings.secret, settings.passphrase_file) == ("file:../pass", "")
    assert in_the_clear(folder) == set()
    with pytest.raises(Malformed):
        keys.read_key(folder / "keys" / "signing.key", b"open sesame")


def test_a_secret_is_changed_while_a_connector_serves(
    space: Space, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = space.enrol("hospital-a", "provider")
    old = Settings.read(Home(folder)).secret
    running = space.start("hospital-a")
    assert main(["connector", "secret", "change", "--dir", str(folder), "--to", f"file:{tmp_path}/new"]) == 0
    capsys.readouterr()
    assert running.desk.overview.balances() is not None
    space.stop("hospital-a")
    with pytest.raises(Untrusted, match="does not open"):
        Lock(folder, folder / "keys", old).open()
    space.start("hospital-a")


def test_a_secret_beside_the_data_is_warned_of(space: Space, caplog: pytest.LogCaptureFixture) -> None:
    folder = space.enrol("hospital-a", "provider")
    home, settings = Home(folder), Settings.read(Home(folder))
    settings.lock(home).change(f"file:{folder}/secret", lambda kept: _keep(folder, kept))
    with caplog.at_level(logging.WARNING):
        space.start("hospital-a")
    assert "beside what it opens" in caplog.text
    assert secret.lies_beside(Settings.read(home).secret, folder)


def _keep(folder: Path, kept: str) -> None:
    document = json.loads((folder / "connector.json").read_text())
    (folder / "connector.json").write_text(json.dumps({**document, "secret": kept}))


def _export(path: Path, key: bytes) -> None:
    plain = path.with_suffix(".plain")
    connection = sqlcipher.connect(path, key)
    connection.execute("ATTACH DATABASE ? AS plain KEY ''", (str(plain),)).close()
    connection.execute("SELECT sqlcipher_export('plain')").fetchall()
    connection.close()
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    plain.rename(path)


def test_a_directory_does_not_lock_its_keys_away_from_a_store_that_another_encrypted(tmp_path: Path) -> None:
    """Two directories of a store that lay in the clear get a secret each: the second needs the first one's vault."""
    first, second = Home(tmp_path / "first"), Home(tmp_path / "second")
    for home, database in ((first, ""), (second, f"sqlite:///{first.database}")):
        home.keys.mkdir(parents=True)
        settings = Settings("hospital-a", "hospital-a-1", secret=f"file:{home.directory}.txt", database=database)
        secret.settle(settings.secret, home.directory)
        settings.write(home)
    keys.write_key(second.keys / "signing.key", Ed25519PrivateKey.generate())
    Database.at(first.database, "demo").close()
    _, opened = unlock(first)
    assert opened is not None
    Database.at(first.database, "demo", opened.derive("database")).close()
    with pytest.raises(Conflict, match="copy it from the one"):
        unlock(second)
    assert b"ENCRYPTED" not in (second.keys / "signing.key").read_bytes()
    assert not (second.keys / "vault.json").exists()


def test_the_old_secret_is_forgotten_only_once_the_settings_that_name_the_new_one_are_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut in between would leave settings that name a secret which opens nothing any more."""
    home = Home(tmp_path / "home")
    home.directory.mkdir()
    settings = Settings("hospital-a", "hospital-a-1", secret=f"file:{tmp_path}/old")
    settings.lock(home).found()
    settings.write(home)
    synced: list[str] = []
    sync = os.fsync

    def note(handle: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        sync(handle)

    monkeypatch.setattr(os, "fsync", note)
    change(home.directory, f"file:{tmp_path}/new")
    added, written, forgotten = (synced.index(name) for name in ("vault.json.new", "connector.json.new", "home"))
    last = len(synced) - 1 - synced[::-1].index("vault.json.new")
    assert added < written < forgotten < last
    assert synced.index(tmp_path.name) < added  # the name of the new secret's file too
