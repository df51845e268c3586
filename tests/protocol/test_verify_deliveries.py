"""Deliveries in an evidence bundle: what was agreed passes, and every breach of it is found, by sentence and entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hefu import canonical
from hefu.checking.verify import verify
from hefu.envelope import Statement
from hefu.errors import Malformed
from hefu.evidence.bundle import open_bundle
from hefu.statements.delivery import DELETED, DENIED, USED, Deleted, Delivered, Denied, Kept, Told, Used
from hefu.statements.receipt import Link, Receipt, Released, Spent
from hefu.times import write_time

from tests.protocol.small_log import AGREEMENT, CONSUMER, PROVIDER, SmallLog

COMMITMENT = "hmac-sha256:" + "0" * 64
TYPES = {Used: USED, Denied: DENIED, Deleted: DELETED}


@dataclass
class Kept_:  # noqa: N801 - the story of one delivery
    """A log in which something was delivered, and what its recipient says of it."""

    log: SmallLog = field(default_factory=lambda: SmallLog(whole=False))
    journal: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log.tell()

    def deliver(self, **changes: Any) -> Statement:
        due = write_time(self.log.at + timedelta(hours=1))
        facts: Any = {"processing": "masked", "outputRows": 3, "deadline": due} | changes.pop("facts", {})
        made = replace(
            self.log.receipt("cmp-d"),
            charge=Spent(0, 0, 1), mechanisms=(), engine="delivery", output=Released("Rows", 3, 0), facts=facts,
            commitments={"user": COMMITMENT, "content": COMMITMENT},
        )  # fmt: skip
        self.sealed = self.log.journalled("computation.sealed", replace(made, **changes))
        return self.sealed

    @property
    def kept(self) -> Kept:
        return Kept("cmp-d", (AGREEMENT,), self.sealed.digest())

    def say(self, told: Told, by: str = CONSUMER, connector: str = CONSUMER) -> None:
        previous = canonical.digest(self.journal[-1]) if self.journal else ""
        link = Link(len(self.journal), previous, connector)
        self.log.say(TYPES[type(told)], told.linked(link).body(), by)
        self.journal.append(self.log.entries[-1])

    def use(self, **changes: Any) -> None:
        self.say(replace(Used(self.kept, "odrl:read", "urn:rule:read"), **changes))

    def delete(self, **changes: Any) -> None:
        self.say(replace(Deleted(self.kept, "retention", 1, 1), **changes))

    def faults(self, folder: Path) -> tuple[str, ...]:
        with open_bundle(self.log.bundle(folder / "bundle.zip")) as bundle:
            report = verify(bundle, above=())
        (found,) = [each for each in report.results if each.name == "deliveries"]
        assert report.holds is (not found.faults), report.document()
        return found.faults


@pytest.fixture
def story() -> Kept_:
    made = Kept_()
    made.deliver()
    return made


def test_a_delivery_that_was_used_and_deleted_in_time_passes(story: Kept_, tmp_path: Path) -> None:
    story.use()
    story.say(Denied(story.kept, "hefu:download", "policy.refused", ("urn:no:export applies",)))
    story.delete()
    story.log.at += timedelta(days=2)
    story.log.refuse("cmp-later")
    assert story.faults(tmp_path) == ()


def test_a_delivery_that_is_not_due_yet_passes(story: Kept_, tmp_path: Path) -> None:
    story.use()
    assert story.faults(tmp_path) == ()


def test_a_proof_that_is_missing_when_it_is_due_is_found(story: Kept_, tmp_path: Path) -> None:
    story.log.at += timedelta(hours=1, seconds=600 + 62)
    story.log.refuse("cmp-later")
    (fault,) = story.faults(tmp_path)
    assert f"{CONSUMER} had to delete it by" in fault


def test_a_proof_that_comes_late_is_no_fault_where_nothing_was_used(story: Kept_, tmp_path: Path) -> None:
    story.log.at += timedelta(days=2)
    story.delete()
    assert story.faults(tmp_path) == ()


def _late(story: Kept_) -> None:
    story.log.at += timedelta(hours=1, seconds=70)
    story.use()
    story.delete()


def _after(story: Kept_) -> None:
    story.delete()
    story.use()


def _twice(story: Kept_) -> None:
    story.delete()
    story.delete()


def _terminated(story: Kept_) -> None:
    story.log.terminate()
    story.log.at += timedelta(seconds=700)
    story.use()


BREACHES: list[tuple[Callable[[Kept_], None], str]] = [
    (_late, "used what had to be deleted by"),
    (_after, "says was deleted"),
    (_twice, "deletes again"),
    (_terminated, "had ended"),
    (lambda story: story.say(Deleted(story.kept, "asked", 1, 0), PROVIDER, PROVIDER + "-2"), "only its recipient"),
    (lambda story: story.say(Used(story.kept, "odrl:read", "r"), CONSUMER, "lab-b-2"), "journal of another connector"),
    (lambda story: story.delete(kept=replace(story.kept, delivery="cmp-one")), "another computation or agreement"),
    (lambda story: story.delete(kept=replace(story.kept, agreements=("agr-x",))), "another computation or agreement"),
]


@pytest.mark.parametrize(("breach", "word"), BREACHES)
def test_every_breach_by_a_recipient_is_found(
    story: Kept_, tmp_path: Path, breach: Callable[[Kept_], None], word: str
) -> None:
    breach(story)
    assert any(word in fault for fault in story.faults(tmp_path))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"charge": Spent(0, 0, 0)}, "not counted as a release"),
        ({"facts": {"outputRows": 4}}, "another number of rows"),
        ({"facts": {"processing": "anonymised", "minGroup": 1}}, "groups of less than two"),
        ({"facts": {"deadline": "2027-01-01T00:00:00Z"}}, "kept longer than agreement"),
        ({"facts": {"processing": "washed"}}, "not a computation.sealed"),
        ({"facts": {"deadline": "tomorrow"}}, "computation.sealed|time"),
        ({"commitments": {}}, "not a computation.sealed"),
        ({"facts": {"processing": "anonymised"}}, "not a computation.sealed"),
    ],
)
def test_every_breach_by_a_provider_is_found(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    made = Kept_()
    made.deliver(**changes)
    found = made.faults(tmp_path)
    assert any(each in fault for fault in found for each in word.split("|")), found


STRATEGY: Any = {
    "strategy": "str-one",
    "policy": {
        "permission": [
            {
                "@id": "rule-1",
                "action": "hefu:deliver",
                "constraint": [
                    {
                        "leftOperand": "hefu:processing", "operator": "isAnyOf",
                        "rightOperand": [{"@id": "hefu:masked"}, {"@id": "hefu:anonymised"}],
                    },
                    {"leftOperand": "hefu:minGroup", "operator": "gteq", "rightOperand": {"@value": "5"}},
                    {"leftOperand": "hefu:outputRows", "operator": "lteq", "rightOperand": {"@value": "3"}},
                ],
            },
            {"@id": "urn:rule:read", "action": "odrl:read"},
        ]
    },
}  # fmt: skip


def _ruled() -> Kept_:
    return Kept_(SmallLog(strategies=[STRATEGY], whole=False))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"facts": {"processing": "raw"}}, "clause rule-1 says: processing"),
        ({"facts": {"processing": "anonymised", "minGroup": 4}}, "clause rule-1 says: minGroup"),
        ({"facts": {"outputRows": 4}, "output": Released("Rows", 4, 0)}, "clause rule-1 says: outputRows"),
        ({"clause": "urn:rule:read"}, "permits no delivery"),
        ({"clause": "rule-2"}, "permits no delivery"),
    ],
)
def test_a_receipt_that_goes_beyond_its_own_clause_is_found(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    made, right = _ruled(), _ruled()
    if "clause" in changes:
        (under,) = made.log.receipt("cmp-d").agreements
        changes = {"agreements": (replace(under, clause=changes["clause"]),)}
    made.deliver(**changes)
    found = made.faults(tmp_path)
    assert any(word in fault for fault in found), found
    right.deliver()
    right.use()
    assert right.faults(tmp_path) == ()


def test_a_use_that_no_clause_permits_is_found(tmp_path: Path) -> None:
    made = _ruled()
    made.deliver()
    made.use(action="hefu:download")
    (fault,) = made.faults(tmp_path)
    assert "does not permit that" in fault


def test_what_a_stranger_says_was_deleted_neither_hides_nor_accuses(story: Kept_, tmp_path: Path) -> None:
    link = Link(len(story.log.journal), canonical.digest(story.log.journal[-1]), PROVIDER)
    story.log.say(DELETED, Deleted(story.kept, "asked", 1, 0, link).body(), PROVIDER)
    story.use()
    story.delete()
    (fault,) = story.faults(tmp_path)
    assert "only its recipient" in fault


def test_what_is_said_of_a_receipt_that_is_not_here_yet_is_unchecked(tmp_path: Path) -> None:
    made = Kept_()
    made.deliver()
    made.log.entries.pop()
    made.use()
    assert made.faults(tmp_path) == ()


def test_statements_of_deliveries_read_back_and_nothing_more_is_taken(story: Kept_) -> None:
    link = Link(1, canonical.digest(b"x"), CONSUMER)
    for told in (
        Used(story.kept, "odrl:read", "urn:rule:read", {"purpose": "dpv:X"}, {"user": COMMITMENT}, link),
        Denied(story.kept, "hefu:download", "policy.refused", ("no",), link),
        Deleted(story.kept, "agreement_ended", 2, 5, link),
    ):
        said = story.log.say(TYPES[type(told)], told.body(), CONSUMER)
        assert type(told).of(said) == told
        more = story.log.say(TYPES[type(told)], told.body() | {"more": 1}, CONSUMER)
        with pytest.raises(Malformed):
            type(told).of(more)
    with pytest.raises(Malformed, match="cause"):
        Deleted(story.kept, "because", 0, 0)


def test_a_receipt_of_statistics_is_no_delivery(story: Kept_) -> None:
    assert Delivered.of(story.log.receipt("cmp-x")) is None
    assert Delivered.of(Receipt.of(story.sealed)) is not None
