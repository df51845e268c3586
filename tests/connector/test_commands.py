"""The surface of the commands: what exists, what helps, what is said in which language, and who may open the socket."""

from __future__ import annotations

import argparse
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hefu.__main__ import main, parser
from hefu.errors import Untrusted
from hefu.space import SpaceFile
from hefu.v1 import common_pb2, control_pb2
from hefu_connector import commands, setup
from hefu_connector.commands import show
from hefu_connector.desk import control_socket
from hefu_connector.settings import Home, Settings
from hefu_connector.workbench import tables

ISSUE = {
    "connector": ("init", "join", "enroll", "serve", "status"),
    "source": ("add", "list", "change", "remove"),
    "policy": ("templates", "explain", "check", "test", "can", "diff", "replay"),
    "product": ("draft", "check", "publish", "list", "retire", "limits"),
    "catalog": ("search", "show"),
    "contract": (
        "request",
        "list",
        "show",
        "approve",
        "terminate",
        "export",
        "queue",
        "counter",
        "accept",
        "reject",
        "history",
    ),
    "compute": ("query", "estimate", "show", "watch", "cancel"),
    "release": ("list",),
    "budget": ("show",),
}
ALL = [(group, name) for group, names in ISSUE.items() for name in names]


def subparser(*words: str) -> argparse.ArgumentParser:
    found = parser(words)
    for word in words:
        (below,) = (each for each in found._actions if isinstance(each, argparse._SubParsersAction))
        found = below.choices[word]
    return found


@pytest.mark.parametrize(("group", "name"), ALL)
def test_every_command_exists_with_help_and_the_common_flags(group: str, name: str) -> None:
    found = subparser(group, name)
    flags = {flag for action in found._actions for flag in action.option_strings}
    assert {"--json", "--lang", "--dir", "--help"} <= flags
    assert found.description
    assert all(action.help for action in found._actions)
    assert callable(found.get_default("run"))


def test_every_group_of_the_entry_points_is_there_under_its_name() -> None:
    for name in ISSUE:
        assert getattr(commands, name.upper()).name == name


def test_listing_all_commands_imports_nothing_heavy() -> None:
    heavy = ["grpc", "duckdb", "opendp", "pyarrow", "sqlalchemy", "sqlglot", "ruamel"]
    code = (
        "import argparse, sys; from hefu_connector import commands\n"
        "for each in commands.__all__: getattr(commands, each).add(argparse.ArgumentParser())\n"
        f"print([each for each in {heavy!r} if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_command_imports_no_other_groups_commands() -> None:
    code = "from hefu.__main__ import parser; import sys; parser(['budget'])\nprint([*sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "hefu_connector.commands.record" in done.stdout
    assert "hefu_connector.commands.contract" not in done.stdout


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HEFU_DIR", "HEFU_LANG", "LANG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "nowhere"


def test_a_connector_that_does_not_run_is_said_with_the_next_step(
    nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["source", "list", "--dir", str(nowhere)]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert f"hefu connector serve --dir {nowhere}" in told.err


@pytest.mark.parametrize("way", ["flag", "HEFU_LANG", "LANG"])
def test_errors_are_told_in_chinese_where_that_is_asked(
    way: str, nowhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["contract", "list", "--dir", str(nowhere)]
    if way == "flag":
        words += ["--lang", "zh"]
    else:
        monkeypatch.setenv(way, "zh_CN.UTF-8")
    assert main(words) == 3
    assert "没有运行的连接器" in capsys.readouterr().err


def test_an_error_under_json_is_a_document_with_its_code(nowhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["budget", "show", "--json", "--dir", str(nowhere)]) == 3
    document = json.loads(capsys.readouterr().err)
    assert document["error"] == "control.absent"
    assert document["parameters"] == {"directory": str(nowhere)}


def test_the_directory_comes_from_the_flag_then_from_the_environment(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEFU_DIR", str(nowhere / "set"))
    main(["source", "list"])
    assert str(nowhere / "set") in capsys.readouterr().err
    main(["source", "list", "--dir", str(nowhere / "given")])
    assert str(nowhere / "given") in capsys.readouterr().err


def test_a_product_file_is_checked_without_a_connector_and_that_is_said(
    nowhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("apiVersion: hefu/v1\nkind: DataProduct\ncolums: []\n")
    assert main(["product", "check", str(file), "--dir", str(nowhere)]) == 1
    told = capsys.readouterr().out
    assert f"{file}: line 3: " in told
    assert "Did you mean columns?" in told
    assert "Not compared with its source" in told
    assert main(["product", "check", str(file), "--json", "--dir", str(nowhere)]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["compared_with_source"]) == (False, False)
    assert {"line": 3, "code": "product.misspelt"}.items() <= document["faults"][-1].items()


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_said(
    content: bytes | None, nowhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file.yaml"
    if content is not None:
        file.write_bytes(content)
    assert main(["product", "check", str(file), "--dir", str(nowhere)]) == 2
    assert str(file) in capsys.readouterr().err


def test_an_option_without_a_value_is_refused_before_anybody_is_called(
    nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere.mkdir()
    assert main(["source", "add", "visits", "visits.csv", "--option", "delimiter", "--dir", str(nowhere)]) in (2, 3)
    assert capsys.readouterr().err


# ------------------------------------------------------------ the directory


@pytest.fixture
def space(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    from hefu.envelope import PublicKey

    path = tmp_path / "space.json"
    root = PublicKey("root#0000000000000000", "root", bytes(32))
    SpaceFile("demo", root, "broker", "127.0.0.1:1", "127.0.0.1:2", "PEM", "example.org/demo", "vkey").write(path)
    return path


def init(directory: Path, space: Path, *words: str) -> int:
    base = ["connector", "init", "--dir", str(directory), "--name", "hospital-a", "--title", "医院甲"]
    return main([*base, "--space", str(space), *(words or ("--role", "provider", "--listen", "127.0.0.1:0"))])


def test_init_makes_a_directory_that_only_its_owner_may_enter(
    tmp_path: Path, space: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = os.umask(0)
    try:
        assert init(tmp_path / "h", space) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "h").stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in (tmp_path / "h/keys").iterdir()} == {0o600}
    settings = Settings.read(Home(tmp_path / "h"))
    assert settings.participant == "hospital-a"
    assert settings.listen == settings.endpoint
    assert not settings.listen.endswith(":0")
    assert "hefu connector enroll" in capsys.readouterr().out


def test_init_never_overwrites_a_connector(tmp_path: Path, space: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path / "h", space) == 0
    key = (tmp_path / "h/keys/signing.key").read_bytes()
    assert init(tmp_path / "h", space) == 2
    assert "command.initialised" in capsys.readouterr().err
    assert (tmp_path / "h/keys/signing.key").read_bytes() == key


def test_a_mere_consumer_listens_nowhere(tmp_path: Path, space: Path) -> None:
    assert init(tmp_path / "p", space, "--role", "consumer") == 0
    settings = Settings.read(Home(tmp_path / "p"))
    assert (settings.listen, settings.endpoint) == ("", "")


def test_a_name_that_is_not_well_formed_leaves_nothing_behind(tmp_path: Path, space: Path) -> None:
    plan = setup.Plan("Hospital A", "hospital-a-c1", {"en": "A"}, frozenset({"provider"}))
    with pytest.raises(Exception, match="identifier"):
        setup.init(tmp_path / "h", space, plan)
    assert not (tmp_path / "h").exists()


def test_serving_before_the_enrolment_says_what_to_do(
    tmp_path: Path, space: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(tmp_path / "h", space)
    assert main(["connector", "serve", "--dir", str(tmp_path / "h")]) == 2
    assert "command.not_enrolled" in capsys.readouterr().err


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o701, 0o770])
def test_a_directory_that_others_may_enter_is_refused(mode: int, tmp_path: Path) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(Untrusted) as caught:
        control_socket.check_private(tmp_path)
    assert caught.value.code == "control.open_directory"
    tmp_path.chmod(0o700)
    control_socket.check_private(tmp_path)


def test_a_long_path_still_has_an_address_that_fits(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    with control_socket.address(deep) as address:
        assert len(address.removeprefix("unix:")) < 108
        assert Path(address.removeprefix("unix:")).parent.resolve() == deep
    with control_socket.address(tmp_path) as address:
        assert address == f"unix:{tmp_path}/control.sock" or len(str(tmp_path)) > 80


# ------------------------------------------------------------ how numbers look


@pytest.mark.parametrize(
    ("half_width", "shown"),
    [("90", "90"), ("201.2345", "202"), ("0.0123456", "0.0124"), ("0", "0"), ("12345", "12400")],
)
def test_an_interval_is_rounded_outwards(half_width: str, shown: str) -> None:
    assert tables.interval(half_width) == shown


def test_what_remains_is_never_below_zero() -> None:
    balance = control_pb2.Balance(
        limit=common_pb2.PrivacyLoss(epsilon_nano=5),
        charged=common_pb2.PrivacyLoss(epsilon_nano=7, delta_femto=1),
        limit_releases=1,
        charged_releases=3,
    )
    left, releases = show.remaining(balance)
    assert (left.epsilon_nano, left.delta_femto, releases) == (0, 0, 0)


def test_a_privacy_loss_is_shown_exactly() -> None:
    amount = common_pb2.PrivacyLoss(epsilon_nano=500_000_000, delta_femto=1_000_000)
    assert show.loss(amount) == "ε 0.5, δ 1e-9"
    assert show.epsilon(common_pb2.PrivacyLoss(epsilon_nano=1)) == "0.000000001"
