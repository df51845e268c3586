"""The help of what people of a participant use stands in both languages."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest
from hefu.__main__ import main
from hefu.helps import HELPS
from hefu_connector import commands

GROUPS = [
    commands.BUDGET, commands.CATALOG, commands.COMPUTE, commands.CONTRACT, commands.DELIVERY, commands.POLICY,
    commands.PRODUCT, commands.RELEASE,
]  # fmt: skip


def texts(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if action.help and action.help != argparse.SUPPRESS:
            yield action.help
        if isinstance(action, argparse._SubParsersAction):
            yield from (each.help for each in action._choices_actions if each.help)
            for below in action.choices.values():
                yield from texts(below)


def test_every_help_has_its_chinese() -> None:
    found = set()
    for group in GROUPS:
        parser = argparse.ArgumentParser()
        group.add(parser)
        found |= {group.help, *texts(parser)}
    assert not found - {*HELPS}, "give these their Chinese in proto/hefu/helps.py"


@pytest.mark.parametrize(("words", "told"), [((), "options"), (("--lang", "zh"), "冲突的条款")])
def test_the_help_speaks_the_language_that_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], told: str
) -> None:
    monkeypatch.setenv("HEFU_LANG", "en")
    with pytest.raises(SystemExit):
        main(["policy", "check", *words, "--help"])
    assert told in capsys.readouterr().out
