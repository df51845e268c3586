"""The page about policies: its examples come out as their titles say, and every word of the vocabulary is on it."""

from hefu_policies import odrl
from hefu_policies.deciding.reasons import Code
from hefu_policies.pages import guide, worked
from hefu_policies.words.terms import ACTIONS, OPERANDS


def test_the_examples_come_out_as_their_titles_say() -> None:
    decisions = [each.decided() for each in worked.EXAMPLES]
    assert [each.effect.value for each in decisions] == [
        "permit", "permit", "default_deny", "deny", "default_deny", "deny", "deny",
    ]  # fmt: skip
    first, waiting, small, commercial, nowhere, unheard, late = (
        {(r.code, r.part) for r in d.reasons} for d in decisions
    )
    assert {
        (Code.HELD, "urn:c:region"),
        (Code.FAILED, "urn:c:hours"),
        (Code.LOGIC_HELD, "urn:c:where-or-when"),
    } <= first
    assert (Code.DEFERRED, "urn:c:group") in waiting
    assert {(Code.FAILED, "urn:c:group"), (Code.FAILED, "urn:c:loss")} <= small
    assert {(Code.HOLDS, ""), (Code.FIRES, "")} <= commercial
    assert {(Code.UNKNOWN, "urn:c:region"), (Code.LOGIC_UNKNOWN, "urn:c:where-or-when")} <= nowhere
    assert {(Code.UNKNOWN, "urn:c:commerce"), (Code.FIRES, "")} <= unheard
    assert (Code.VIOLATED, "urn:o:report") in late


def test_the_example_is_written_as_it_is_read_and_every_word_stands_on_the_page() -> None:
    page = guide.page()
    assert odrl.dump(odrl.load(worked.AGREEMENT)) == worked.AGREEMENT
    assert [each for each in (*OPERANDS, *ACTIONS) if f"| `{each}` |" not in page] == []
