"""The help of every command stands in both languages."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

import pytest
from hefu.__main__ import main, parser
from hefu.terminal.helps import HELPS, in_chinese

_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def commands(one: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and all below it."""
    yield one
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from commands(below)


def texts(one: argparse.ArgumentParser) -> Iterator[str]:
    """Every help in one parser, those of its subcommands among them."""
    for action in one._actions:
        if action.help and action.help != argparse.SUPPRESS:
            yield action.help
        if isinstance(action, argparse._SubParsersAction):
            yield from (each.help for each in action._choices_actions if each.help)


@pytest.fixture(scope="module")
def english() -> dict[str, argparse.ArgumentParser]:
    return {each.prog: each for each in commands(parser([]))}


def test_every_help_of_every_command_has_its_chinese(english: dict[str, argparse.ArgumentParser]) -> None:
    assert len(english) > 90
    found = {text for each in english.values() for text in texts(each)}
    assert not found - {*HELPS}, "give these their Chinese in proto/hefu/terminal/helps.py or helps_operating.py"


def test_the_help_of_every_command_differs_by_language_and_leaves_no_option_in_english(
    english: dict[str, argparse.ArgumentParser],
) -> None:
    before = {name: each.format_help() for name, each in english.items()}
    chinese = {each.prog: each for each in commands(in_chinese(parser([])))}
    assert chinese.keys() == before.keys()
    for name, each in chinese.items():
        assert each.format_help() != before[name], name
        assert [text for text in texts(each) if not _CHINESE.search(text)] == [], name
        assert each.description is None or _CHINESE.search(each.description), name


@pytest.mark.parametrize(
    ("command", "words", "told"),
    [
        ("policy check", (), "options"),
        ("policy check", ("--lang", "zh"), "冲突的条款"),
        ("broker serve", ("--lang=zh",), "服务所有空间"),
    ],
)
def test_the_help_speaks_the_language_that_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, words: tuple[str, ...], told: str
) -> None:
    monkeypatch.setenv("HEFU_LANG", "en")
    with pytest.raises(SystemExit):
        main([*command.split(), *words, "--help"])
    assert told in capsys.readouterr().out
