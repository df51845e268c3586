"""All 390 published policy problems: z3 reads their files, and we read the policies in Turtle beside them.

What the solver is asked there is not always what the policies alone say: some problems add a claim of their own
(anchored recurrences, one fact bounding another, what is well formed, projections). Those are listed here, each with
the reason; every other verdict is ours too, and the cells and the solver agree on all.
"""

import os
from collections import Counter
from pathlib import Path

import pytest
from hefu_policies.analysis import proofs, questions
from hefu_policies.analysis.answers import Verdict
from hefu_policies.analysis.encoding import solver_library
from hefu_policies.words.terms import Vocabulary

from tests.policies.counts import count
from tests.policies.published_problems import Problem, problems, vocabulary

EXPECTED = {
    "Compatible": Verdict.YES, "Conflict": Verdict.NO, "Satisfiable": Verdict.YES, "Unsatisfiable": Verdict.NO,
    "Permit": Verdict.YES, "Deny": Verdict.NO,
}  # fmt: skip
ELSEWHERE = {
    "the claim stands beside a single policy that can be met": {
        "ODRL621-1", "ODRL623-1", "ODRL626-1", "ODRL506-1", "ODRL513-1", "ODRL610-1", "ODRL611-1", "ODRL612-1",
        "ODRL613-1", "ODRL615-1", "ODRL616-1", "ODRL641-1", "ODRL643-1", "ODRL645-1", "ODRL647-1",
    },
    "the facts of the request stand in the solver's file only": {
        "ODRL771-1", "ODRL775-1", "ODRL869-1", "ODRL871-1", "ODRL828-1", "ODRL830-1",
    },
    "one fact bounds another or recurs from an anchor, which our facts do not": {
        "ODRL821-1", "ODRL823-1", "ODRL816-1", "ODRL818-1", "ODRL838-1", "ODRL839-1", "ODRL840-1", "ODRL842-1",
    },
    "containment in a box that the policies do not state": {"ODRL651-1", "ODRL653-1"},
    "other numbers than in the solver's file": {"ODRL767-1"},
    "hasPart is read upwards there: here a value has as parts what it is or lies under": {"KGC431-1"},
}  # fmt: skip


@pytest.fixture(scope="module")
def published() -> list[Problem]:
    shared = Path(os.environ.get("HEFU_SHARED", Path(__file__).parents[2] / ".." / "shared"))
    if not (shared / "vectors").is_dir():
        pytest.skip(f"no published vectors in {shared}: set HEFU_SHARED")
    return list(problems(shared, vocabulary(shared)))


def test_the_solver_gives_every_published_status(published: list[Problem]) -> None:
    z3 = solver_library()
    wrong = []
    for each in published:
        solver = z3.Solver(ctx=z3.Context())
        solver.set("timeout", 10_000)
        solver.from_file(str(each.smt))
        if str(solver.check()) != each.status:
            wrong.append(each.id)
    count("published policy problems, SMT-LIB files", len(published) - len(wrong), len(published))
    assert wrong == []
    assert len(published) == 390


def ask(problem: Problem, words: Vocabulary) -> tuple[Verdict, Verdict]:
    """The answers of the cells and of the solver to what the problem asks."""
    if len(problem.policies) == 2 and (problem.verdict, problem.status) == ("Conflict", "sat"):  # a counterexample
        one, other = problem.policies
        return questions.inside(one, other, words).verdict, proofs.inside(one, other, words).verdict
    found = questions.joint(problem.policies, vocabulary=words), proofs.joint(problem.policies, vocabulary=words)
    return found[0].verdict, found[1].verdict


def test_our_reading_of_the_policies_gives_the_published_verdicts(published: list[Problem], shared: Path) -> None:
    words = vocabulary(shared)
    tally: Counter[str] = Counter()
    differ, disagree = set(), []
    for each in published:
        if not each.policies:
            continue
        cells, solver = ask(each, words)
        disagree += [each.id] if cells is not solver else []
        expected = EXPECTED.get(each.verdict)
        if expected is not None:
            tally["right" if cells is expected else "differ"] += 1
            differ |= {each.id} if cells is not expected else set()
    count("published policy problems, our reading of the Turtle", tally["right"], tally.total())
    assert disagree == []
    assert differ == set().union(*ELSEWHERE.values())
    assert tally["right"] >= 251


def test_what_a_taxonomy_does_not_relate_is_never_compatible(published: list[Problem], shared: Path) -> None:
    words = vocabulary(shared)
    unknown = [each for each in published if each.category == "KGConstraints Conflict" and each.verdict == "Unknown"]
    assert len(unknown) == 6
    assert {questions.joint(each.policies, vocabulary=words).verdict for each in unknown} == {Verdict.NO}
