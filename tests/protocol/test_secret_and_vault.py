"""Secrets and the store key under them: each opens what it made and nothing else, and can be changed at any instant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hefu.errors import HefuError, Malformed, Untrusted
from hefu.keeping import keys, secret, vault
from hefu.keeping.unlocking import Lock

LONG = b"correct horse battery staple"


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vault under what a person chose takes half a second to try, on purpose: once is enough to be sure of that."""
    if request.function is not test_a_vault_opens_with_its_secret_only:
        monkeypatch.setattr(vault, "_CHOSEN", vault._DRAWN)


def code(work: object) -> str:
    with pytest.raises(HefuError) as caught:
        work()  # type: ignore[operator]
    return caught.value.code


def put(path: Path, value: bytes, mode: int = 0o600) -> str:
    path.write_bytes(value)
    path.chmod(mode)
    return f"file:{path}"


def test_a_vault_opens_with_its_secret_only(tmp_path: Path) -> None:
    path = tmp_path / "vault.json"
    made = vault.make(path, LONG)
    assert vault.open_at(path, LONG) == made
    assert json.loads(path.read_text())["slots"][0]["n"] == 1 << 17
    assert code(lambda: vault.open_at(path, LONG + b"r")) == "secret.wrong"
    assert made.key.hex() not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Malformed):
        vault.make(path, LONG)


def test_each_purpose_has_a_key_of_its_own(tmp_path: Path) -> None:
    made = vault.make(tmp_path / "vault.json", LONG)
    assert len({made.key, made.derive("database"), made.derive("columns"), made.passphrase}) == 4
    assert str(made.key) not in repr(made)
    sealed = made.seal(b"answer", "requests.answer")
    assert made.unseal(sealed, "requests.answer") == b"answer"
    for wrong in (
        lambda: made.unseal(sealed, "parts.sealed"),
        lambda: made.unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]), "requests.answer"),
    ):
        assert code(wrong) == "seal.broken"


def test_a_slot_that_asks_for_all_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vault.json"
    vault.make(path, LONG)
    document = json.loads(path.read_text())
    for cost in (1 << 40, 0, (1 << 17) + 1, "131072"):
        document["slots"][0]["n"] = cost
        path.write_text(json.dumps(document))
        assert code(lambda: vault.open_at(path, LONG)) == "key.unreadable"


def test_a_secret_that_others_can_read_is_refused_and_a_group_may(tmp_path: Path) -> None:
    for mode in (0o604, 0o620, 0o660):
        assert code(lambda mode=mode: secret.read(put(tmp_path / "s", LONG, mode), tmp_path)) == "key.loose_file"
    assert secret.read(put(tmp_path / "s", LONG + b"\n", 0o640), tmp_path) == LONG


def test_a_secret_comes_from_the_environment_or_a_file_that_is_named_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORE_SECRET", LONG.decode())
    assert secret.read("env:STORE_SECRET", tmp_path) == LONG
    assert code(lambda: secret.read("env:ABSENT", tmp_path)) == "secret.unreadable"
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert code(lambda: secret.read("passphrase", tmp_path)) == "secret.unreadable"
    put(tmp_path / "typed", LONG)
    monkeypatch.setenv(secret.VARIABLE, str(tmp_path / "typed"))
    assert secret.read("passphrase", tmp_path) == LONG


@pytest.mark.parametrize("setting", ["file:", "env:", "plain text", "FILE:x"])
def test_a_setting_of_another_form_is_refused(setting: str) -> None:
    assert code(lambda: secret.check(setting)) == "settings.value"


def test_by_default_a_secret_is_drawn_outside_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    kept, value = secret.settle("", tmp_path / "h")
    assert secret.is_drawn(value)
    assert secret.read(kept, tmp_path) == value
    assert not secret.lies_beside(kept, tmp_path / "h")
    assert secret.settle("", tmp_path / "h")[1] != value
    assert secret.lies_beside("file:inside", tmp_path / "h")
    assert secret.lies_beside(f"file:{tmp_path}/beside", tmp_path / "h")


def test_a_new_secret_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    assert code(lambda: secret.settle(put(tmp_path / "s", b"hunter2"), tmp_path)) == "secret.unreadable"


@pytest.mark.parametrize("crash", ["before settings", "after settings", "never"])
def test_a_secret_is_changed_whole_or_not_at_all(tmp_path: Path, crash: str) -> None:
    """Whatever instant the change is cut off at, the secret that the settings name opens the vault."""
    old, new = put(tmp_path / "old", LONG), put(tmp_path / "new", LONG[::-1])
    settings = {"secret": Lock(tmp_path, tmp_path / "keys", old).found().setting}

    def keep(setting: str) -> None:
        if crash == "before settings":
            raise KeyboardInterrupt
        settings["secret"] = setting
        if crash == "after settings":
            raise KeyboardInterrupt

    lock = Lock(tmp_path, tmp_path / "keys", settings["secret"])
    opened = lock.open()
    try:
        lock.change(new, keep)
    except KeyboardInterrupt:
        assert crash != "never"
    assert settings["secret"] == (old if crash == "before settings" else new)
    assert Lock(tmp_path, tmp_path / "keys", settings["secret"]).open() == opened
    other = Lock(tmp_path, tmp_path / "keys", new if crash == "before settings" else old)
    if crash == "never":
        assert code(other.open) == "secret.wrong"
    else:
        assert other.open() == opened


def test_keys_in_the_clear_are_encrypted_and_the_old_bytes_destroyed(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    plain, under = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    keys.write_key(folder / "signing.key", plain)
    keys.write_key(folder / "sealing.key", under, b"of version 0.1.0")
    before = (folder / "signing.key").read_bytes()
    with (folder / "signing.key").open("rb") as watched:
        lock = Lock(tmp_path, folder, put(tmp_path / "s", LONG))
        opened = lock.take_over(b"of version 0.1.0")
        assert opened is not None
        assert len(watched.read()) == len(before)  # the file that was: the same length,
        watched.seek(0)
        assert before[30:60] not in watched.read()  # and nothing of it left
    for name, key in (("signing.key", plain), ("sealing.key", under)):
        assert b"ENCRYPTED" in (folder / name).read_bytes()
        found = keys.read_key(folder / name, opened.passphrase)
        assert isinstance(found, Ed25519PrivateKey)
        assert found.private_bytes_raw() == key.private_bytes_raw()
    again = {each.name: each.read_bytes() for each in folder.iterdir()}
    assert lock.take_over() == opened
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == again


def test_a_vault_without_a_setting_says_so(tmp_path: Path) -> None:
    Lock(tmp_path, tmp_path / "keys", put(tmp_path / "s", LONG)).found()
    assert code(Lock(tmp_path, tmp_path / "keys", "").open) == "secret.needed"
    with pytest.raises(Untrusted):
        Lock(tmp_path, tmp_path / "keys", put(tmp_path / "t", LONG[::-1])).open()
