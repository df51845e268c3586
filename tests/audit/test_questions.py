"""The questions, each on a log where it holds and on one where something is to be found; their signed reports."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hefu import canonical
from hefu.__main__ import main
from hefu.errors import HefuError, NotFound
from hefu.statements.receipt import Link
from hefu.times import SystemClock
from hefu.tlog.note import VerifierKey
from hefu.tlog.proof import LogProof
from hefu_audit import report
from hefu_audit.home import Home
from hefu_audit.index import Index
from hefu_audit.questions.table import QUESTIONS
from hefu_audit.questions.whole import lots

from tests.audit.asked import VALUES, Told, answered, copied, home_of
from tests.protocol.small_log import AGREEMENT, CONSUMER, PRODUCT, PROVIDER, RESOURCE

NAMES = [each.name for each in QUESTIONS if each.answer is not None]


@pytest.fixture
def small() -> Told:
    log = Told()
    log.tell()
    return log


@pytest.fixture
def home(small: Told, tmp_path: Path) -> Home:
    return home_of(small, tmp_path)


@pytest.fixture
def copy(small: Told, home: Home) -> Callable[[], Index]:
    return lambda: copied(small, home)[0]


@pytest.mark.parametrize("name", NAMES)
def test_every_question_holds_on_an_honest_log_and_cites_what_it_rests_on(copy: Callable[[], Index], name: str) -> None:
    asked = answered(copy(), name)
    assert asked.holds, asked.answer.findings
    document: Any = json.loads(canonical.encode(asked.document()))
    assert document["checkpoint"]["size"] == 11
    assert document["checkpoint"]["note"].startswith("log.demo.hefu\n11\n")
    assert document["limits"]
    assert document["tool"].startswith("hefu ")
    assert document["sentence"]["zh"] != document["sentence"]["en"]
    for row in asked.answer.rows:
        assert len(row) == len(asked.answer.headings)


def test_all_eighteen_numbers_of_the_reference_are_asked() -> None:
    assert {each.number for each in QUESTIONS} - {""} == {str(number) for number in range(1, 19)}
    assert len({each.name for each in QUESTIONS}) == len(QUESTIONS)
    assert all(each.asks_zh for each in QUESTIONS)


# ---------------------------------------------------------------- what each finds


def _spend(log: Told) -> None:
    log.release("cmp-much", 900_000_000)


def _gap(log: Told) -> None:
    previous = canonical.digest(log.journal[-1])
    log.journalled("computation.sealed", log.receipt("cmp-gap"), Link(len(log.journal) + 3, previous, PROVIDER))


def _after_the_end(log: Told) -> None:
    log.terminate()
    log.at += timedelta(hours=1)
    log.release("cmp-late")


def _suspended(log: Told) -> None:
    log.turn("suspended")
    log.at += timedelta(minutes=5)
    log.release("cmp-late")


def _no_contract(log: Told) -> None:
    made = log.receipt("cmp-loose")
    log.journalled("computation.sealed", replace(made, agreements=(replace(made.agreements[0], agreement="agr-no"),)))


def _unpermitted(log: Told) -> None:
    made = log.receipt("cmp-bad")
    log.journalled("computation.sealed", replace(made, facts={**made.facts, "purpose": "dpv:Marketing"}))


def _stranger(log: Told) -> None:
    log.signers[CONSUMER], kept = log.signers["root"], log.signers[CONSUMER]
    log.terminate()
    log.signers[CONSUMER] = kept


def _overdue(log: Told) -> None:
    log.deliver("cmp-rows", timedelta(hours=1))
    log.at += timedelta(hours=3)
    log.refuse("cmp-then")


def _other_request(log: Told) -> None:
    log.say("computation.requested", {"computation": "cmp-asked", "agreements": [AGREEMENT]}, CONSUMER)
    log.release("cmp-asked")


def _unknown_delivery(log: Told) -> None:
    sealed = log.deliver("cmp-rows", timedelta(days=1))
    del log.entries[-1], log.journal[-1]
    log.used(sealed, 0)


@pytest.mark.parametrize(
    ("attack", "name", "word"),
    [
        (_spend, "budget", "overspent"),
        (_gap, "order", "3 numbers of the journal"),
        (_stranger, "whole", "statements"),
        (_after_the_end, "decisions", "had ended"),
        (_suspended, "decisions", "was suspended"),
        (_unpermitted, "decisions", "policies"),
        (_no_contract, "orphans", "agr-no"),
        (_stranger, "keys", "entry 11"),
        (_overdue, "retention", "had to delete"),
        (_other_request, "reconcile", "another request"),
        (_unknown_delivery, "reconcile", "no receipt"),
    ],
)
def test_what_is_wrong_is_found_by_its_question(
    small: Told, home: Home, copy: Callable[[], Index], attack: Callable[[Told], None], name: str, word: str
) -> None:
    attack(small)
    asked = answered(copy(), name)
    assert not asked.holds
    assert any(word in en for en, _ in asked.answer.findings), asked.answer.findings


def test_a_deletion_in_time_is_proven_and_a_use_after_it_is_found(small: Told, copy: Callable[[], Index]) -> None:
    sealed = small.deliver("cmp-rows", timedelta(hours=1))
    first = small.used(sealed, 0)
    small.at += timedelta(hours=2)
    small.deleted(sealed, 1, canonical.digest(first.to_bytes()))
    asked = answered(copy(), "retention")
    assert asked.holds, asked.answer.findings
    assert str(asked.answer.rows[0][-1]).startswith("deleted in entry")


def test_a_use_after_the_deadline_is_found(small: Told, copy: Callable[[], Index]) -> None:
    sealed = small.deliver("cmp-rows", timedelta(hours=1))
    small.at += timedelta(hours=2)
    small.used(sealed, 0)
    assert any("used it 1 times" in en for en, _ in answered(copy(), "retention").answer.findings)


def test_questions_say_who_what_when_and_how_much(small: Told, home: Home, copy: Callable[[], Index]) -> None:
    small.say("computation.requested", {"computation": "cmp-open", "agreements": [AGREEMENT]}, CONSUMER)
    small.publish(version=2)
    index = copy()
    (used,) = answered(index, "usage").answer.rows
    assert used[:6] == (PRODUCT, CONSUMER, "dpv:ScientificResearch", AGREEMENT, 2, "0.2")
    assert answered(index, "usage", product=None, asset=RESOURCE).answer.rows == (used,)
    assert answered(index, "usage", product=None, party="nobody").answer.rows == ()
    (spent,) = answered(index, "budget").answer.rows
    assert spent == (AGREEMENT, CONSUMER, "1", "0.25", 3, 1, 3)
    (denied,) = answered(index, "denials").answer.rows
    assert denied[:4] == ("policy.denied", '["rule-2: purpose"]', PROVIDER, 1)
    assert answered(index, "denials", reason="elsewhere").answer.rows == ()
    (waits,) = answered(index, "orphans", after=-1).answer.rows
    assert waits[1] == CONSUMER
    shown = answered(index, "visible").answer.rows
    assert [(each[0], each[3], each[4]) for each in shown] == [(1, "off-one", CONSUMER), (2, "off-one", CONSUMER)]
    assert answered(index, "version").answer.of == 2
    course = answered(index, "history").answer.rows
    assert [each[3] for each in course][:3] == ["product.published", "agreement", "agreement.finalized"]
    assert course[-1][3:5] == ("computation.requested", CONSUMER)
    assert [each[6] for each in course if each[6]] == ["0.1", "0.15", "0.25"]
    did = answered(index, "did", **{"from": "2026-11-21T08:00:05Z", "to": "2026-11-21T08:00:07Z"}).answer
    assert [each[2] for each in did.rows] == ["agreement"]
    steps = {each[0] for each in answered(index, "lineage").answer.rows}
    assert {"result", "request", "product", "data", "program", "agreement", "countersigned"} <= steps


def test_a_policy_is_in_force_between_its_countersignature_and_its_end(small: Told, copy: Callable[[], Index]) -> None:
    small.terminate()
    index = copy()
    digest = index.one("SELECT digest FROM policy")
    for name in ("str-one", "urn:hefu:strategy:str-one", digest):
        assert answered(index, "in-force", policy=name, at="2026-11-21T08:00:10Z").holds
    assert not answered(index, "in-force", at="2026-11-21T08:00:05Z").holds
    assert answered(index, "in-force", at="2026-11-21T09:00:00Z").answer.rows[0][1] == "terminated"
    with pytest.raises(NotFound):
        answered(index, "in-force", policy="str-none")


def test_another_history_that_somebody_holds_is_found(
    small: Told, home: Home, copy: Callable[[], Index], tmp_path: Path
) -> None:
    same = tmp_path / "same"
    same.write_text(small.checkpoint(5))
    index = copy()
    assert answered(index, "whole", since=[same]).holds
    small.entries[4], small.entries[5] = small.entries[5], small.entries[4]
    other = tmp_path / "other"
    other.write_text(small.checkpoint(5))
    asked = answered(index, "whole", other=[other])
    assert "another history" in asked.answer.findings[0][0]


def test_bytes_that_were_changed_in_the_copy_are_found(small: Told, copy: Callable[[], Index]) -> None:
    index = copy()
    index.rows("UPDATE body SET envelope = CAST('other' AS BLOB) WHERE idx = 7")
    assert not answered(index, "order").holds
    index.rows("UPDATE entry SET leaf = zeroblob(32) WHERE idx = 7")
    assert not answered(index, "order", full=True).holds


def test_what_signers_say_they_saw_is_held_against_the_log(small: Told, copy: Callable[[], Index]) -> None:
    from tests.audit.seen import say_seen

    say_seen(small, small.checkpoint(4))
    good = answered(copy(), "gossip")
    assert good.holds
    assert good.answer.rows[0][:3] == (PROVIDER, 1, 4)
    small.entries[2], small.entries[3] = small.entries[3], small.entries[2]
    forged = small.checkpoint(4)
    small.entries[2], small.entries[3] = small.entries[3], small.entries[2]
    say_seen(small, forged)
    assert not answered(copy(), "gossip").holds


def test_lots_are_drawn_by_the_published_rule_and_their_proofs_hold(small: Told, copy: Callable[[], Index]) -> None:
    # By hand: sha256("hefu-audit-sample/v1\na seed\n0")[:8] mod 11 and so on.
    assert lots("a seed", 11, 3) == lots("a seed", 11, 3) != lots("another", 11, 3)
    assert sorted(lots("x", 5, 5)) == [0, 1, 2, 3, 4]
    answer = answered(copy(), "sample").answer
    assert [each[0] for each in answer.rows] == lots("a seed", 11, 3)
    key = VerifierKey.parse(small.space.log_key)
    proofs: Any = answer.further["proofs"]
    for row, text in zip(answer.rows, proofs, strict=True):
        LogProof.parse(text).verify(bytes.fromhex(str(row[4])), key)
    with pytest.raises(HefuError):
        answered(copy(), "sample", n=1001)


def test_absence_is_not_claimed_of_hidden_entries(small: Told, home: Home) -> None:
    index, _ = copied(small, home, frozenset({6}))
    asked = answered(index, "absent")
    assert asked.holds
    assert "cannot be told" in asked.limits[0][0]
    assert not answered(index, "absent", event="cmp-two").holds
    assert not answered(index, "absent", event="cmp-two").limits[0][0].startswith("The space")


def test_two_copies_that_differ_are_named(small: Told, copy: Callable[[], Index], tmp_path: Path) -> None:
    lacking = tmp_path / "provider"
    lacking.write_bytes(b"\n".join(each for each in small.entries if b"cmp-four" not in each))
    asked = answered(copy(), "reconcile", copy=[f"{PROVIDER}={lacking}"])
    assert not any("missing" in en for en, _ in asked.answer.findings)  # signed a moment ago: on its way
    small.at += timedelta(hours=1)
    small.refuse("cmp-then")
    asked = answered(copy(), "reconcile", copy=[f"{PROVIDER}={lacking}"])
    assert any("missing computation.sealed" in en for en, _ in asked.answer.findings)


# ---------------------------------------------------------------- reports


@pytest.fixture
def made(copy: Callable[[], Index], home: Home) -> bytes:
    with copy() as index:
        return report.make(answered(index, "budget"), index, home.ring(), SystemClock())


def test_a_report_and_its_page_verify_under_the_root_alone(small: Told, made: bytes) -> None:
    for data in (made, report.page_of(made, "en").encode(), report.page_of(made, "zh").encode()):
        found = report.check(data, small.space)
        assert (found.auditor, found.answer["question"]) == ("regulator-a", "budget")
    page = report.page_of(made, "en")
    assert "http://" not in page
    assert "https://" not in page
    assert "src=" not in page


def test_a_report_that_was_changed_is_refused(small: Told, made: bytes) -> None:
    page = report.page_of(made, "en")
    broken = {
        "answer": made.replace(b'"0.25"', b'"0.15"', 1),
        "sentence": made.replace(b"is spent", b"is spared"),
        "page": page.replace("0.25", "0.15", 1).encode(),
        "root": made.replace(b'"size":11', b'"size":10'),
        "form": made.replace(b"AuditReport", b"AuditRepord"),
    }
    for name, data in broken.items():
        assert data not in (made, page.encode()), name
        with pytest.raises(HefuError):
            report.check(data, small.space)
    other = Told()
    with pytest.raises(HefuError):
        report.check(made, other.space)


def test_a_text_of_a_stranger_is_no_markup(small: Told, home: Home, copy: Callable[[], Index]) -> None:
    made = replace(small.receipt("cmp-<script>alert(1)</script>"), facts={})
    small.journalled("computation.sealed", made)
    with copy() as index:
        data = report.make(answered(index, "history"), index, home.ring(), SystemClock())
    page = report.page_of(data, "en")
    assert page.count("<script") == 1
    inside = page.rpartition('id="hefu-report">')[2].partition("<")[0]
    assert base64.b64decode(inside) == data


# ---------------------------------------------------------------- commands


@pytest.mark.parametrize("name", NAMES)
def test_every_question_is_a_command_with_json_help_and_exit_code(
    small: Told, home: Home, copy: Callable[[], Index], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    copy().__exit__()
    given = VALUES.get(name, {})
    words: list[str] = []
    for each in next(one for one in QUESTIONS if one.name == name).parameters:
        if each.key in given:
            words += [str(given[each.key])] if not each.name.startswith("-") else [each.name, str(given[each.key])]
    run = ["audit", name, *words, "--dir", str(home.directory)]
    assert main([*run, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["question"] == name
    assert main([*run, "--lang", "zh"]) == 0
    assert "检查点 11" in capsys.readouterr().out


def test_reports_are_written_verified_and_refused_by_commands(
    small: Told, home: Home, copy: Callable[[], Index], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _spend(small)
    copy().__exit__()
    folder, run = tmp_path / "reports", ["--dir", str(home.directory)]
    assert main(["audit", "budget", RESOURCE, "--report", str(folder), *run]) == 1
    assert {each.name for each in folder.iterdir()} == {"budget.json", "budget.html"}
    for each in folder.iterdir():
        assert main(["audit", "report", "verify", str(each), *run]) == 0
        each.write_bytes(each.read_bytes().replace(b"overspent", b"underspent"))
        assert main(["audit", "report", "verify", str(each), *run]) != 0
    capsys.readouterr()
    assert main(["audit", "all", *run, "--json"]) == 1
    answers = json.loads(capsys.readouterr().out)["answers"]
    assert [each["question"] for each in answers] == NAMES
    assert [each["question"] for each in answers if not each["holds"]] == ["budget"]
    assert main(["audit", "usage", *run]) == 2
    assert main(["audit", "did", PROVIDER, "--from", "yesterday", *run]) == 2
    assert main(["audit", "budget", "res-none", *run]) == 1


def test_a_question_before_the_first_fetch_says_what_to_do(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "whole", "--dir", str(home.directory)]) == 2
    assert "hefu audit fetch" in capsys.readouterr().err
    assert main(["audit", "whole", "--dir", str(tmp_path / "nowhere")]) == 2
