"""Logs: one line a record, and no word of an exception, since libraries put values there."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest
from hefu.errors import Malformed, Unavailable
from hefu.running import logs

SECRET = "canary-7f3a"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    text = io.StringIO()
    monkeypatch.setattr("sys.stderr", text)
    monkeypatch.setenv(logs.VARIABLE, "json")
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    root.handlers[:] = []
    logs.configure()
    yield text
    root.handlers[:], root.level = before[0], before[1]


def test_a_library_that_writes_an_exceptions_words_itself_does_not_get_them_into_the_log(written: io.StringIO) -> None:
    try:
        raise ValueError(SECRET)
    except ValueError as fault:
        logging.getLogger("grpc._server").exception("Exception calling application: " + str(fault))  # noqa: TRY401
    (line,) = written.getvalue().splitlines()
    told = json.loads(line)
    assert SECRET not in line
    assert (told["message"], told["error"]) == ("Exception calling application", "ValueError")


def test_an_exception_is_told_by_type_and_place(written: io.StringIO) -> None:
    try:
        {}[SECRET]
    except KeyError:
        logging.getLogger("hefu.x").exception("defect %s", "err-1")
    (line,) = written.getvalue().splitlines()
    told = json.loads(line)
    assert SECRET not in line
    assert (told["message"], told["error"]) == ("defect err-1", "KeyError")
    assert "test_logs.py" in told["at"]


def test_an_error_of_ours_is_told_by_its_code(written: io.StringIO) -> None:
    try:
        raise Unavailable("storage.busy", detail=SECRET)
    except Unavailable:
        logging.getLogger("hefu.x").exception("held up")
    assert json.loads(written.getvalue())["error"] == "storage.busy"
    assert SECRET not in written.getvalue()


def test_what_stands_behind_a_line_break_is_dropped(written: io.StringIO) -> None:
    logging.getLogger("hefu.x").warning("duplicate key\nDETAIL: Key (name)=(%s)", SECRET)
    assert json.loads(written.getvalue())["message"] == "duplicate key"


def test_other_libraries_are_told_by_their_template(written: io.StringIO) -> None:
    logging.getLogger("grpc._server").error("Exception calling application: %s", SECRET)
    assert json.loads(written.getvalue())["message"] == "Exception calling application: %s"


def test_a_thread_that_dies_says_no_word_of_its_exception(written: io.StringIO) -> None:
    def die() -> None:
        raise ValueError(SECRET)

    thread = threading.Thread(target=die, name="doomed")
    thread.start()
    thread.join()
    told = json.loads(written.getvalue())
    assert (told["level"], told["error"], told["message"]) == ("critical", "ValueError", "the thread doomed ended")


def test_an_unknown_form_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(logs.VARIABLE, "xml")
    with pytest.raises(Malformed, match="text or json"):
        logs.configure()
