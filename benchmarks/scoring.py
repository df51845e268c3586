"""Encrypted scores through contract, worker and transport, beside a bare packed loop of the library in the same run.

Aim: the whole path takes at most 1.5 times as long as the loop, which encrypts, writes, reads, multiplies, adds,
writes, reads and decrypts the same records in one warm process, and hides nothing. For information the dot product a
row of the library's tutorials. The release quantum is 0 here, since it is waiting on purpose. ``--records --features``.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from array import array
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import tenseal
from hefu import canonical
from hefu.envelope import new_id
from hefu.v1 import control_pb2
from hefu.wire import transport
from hefu_connector.computing.model import IDENTITY, Feature, Model
from hefu_connector.computing.suites import LINEAR
from hefu_connector.engines.homomorphic import keys, scoring
from hefu_space import harness
from hefu_space.space import Member, Node, Space
from measure import Page, milliseconds

AIM = 1.5
_BANK = Member("bank", ("Bank", "银行"), ("provider",))
_LENDER = Member("lender", ("Lender", "小贷公司"), ("consumer",))
_RISK = "dpv:OrganisationRiskManagement"
_STAGES = {
    "STAGE_ENCRYPTING": "encrypt in a worker, upload, ask",
    "STAGE_WAITING": "decide, score in a worker, seal, fetch",
    "STAGE_DECRYPTING": "decrypt in a worker",
}
_MOST = 2_000_000_000
_ROWS = 20  # of the tutorials' way


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=16 * LINEAR.slots)
    parser.add_argument("--each", type=int, default=4 * LINEAR.slots)  # of one request: the next is made meanwhile
    parser.add_argument("--features", type=int, default=23)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    made, columns = _model(asked.features), _columns(asked.features, asked.records)
    page = Page("scoring", "Encrypted scores from end to end, beside a bare packed loop")
    with tempfile.TemporaryDirectory() as folder:
        space = Space(Path(folder), settings={"quantum_ms": 0, "workers": 1})
        try:
            space.found()
            bank, lender = space.join([_BANK, _LENDER])
            product = _publish(bank, made)
            path = _Path(lender, product, _agree(lender, product), asked.each)
            first = milliseconds(lambda: path.ask([column[:1] for column in columns]))  # makes the key, too
            bare = _Bare(made)
            path.stages.clear()
            whole: list[float] = []
            loops: list[float] = []
            for each in range(asked.rounds):
                moved = [
                    [*column[each + 1 :], *column[: each + 1]] for column in columns
                ]  # what is asked again is kept
                whole.append(milliseconds(lambda moved=moved: path.ask(moved)))
                loops.append(milliseconds(lambda moved=moved: bare.score(moved)))
        finally:
            space.stop()
    _tell(page, asked, first, whole, loops, path, bare, made)
    page.write()


class _Path:
    """One contract, asked for other records each time."""

    def __init__(self, node: Node, product: str, agreement: str, each: int) -> None:
        self._node = node
        self._product = product
        self._agreement = agreement
        self._each = each
        self.stages: dict[str, list[float]] = defaultdict(list)

    def ask(self, columns: list[list[float]]) -> None:
        """From the first value to the last score."""
        count, done, stage, since = len(columns[0]), 0, "", time.perf_counter()
        with self._node.control() as stub:
            for told in transport.stream(stub.ScoreRecords, self._messages(columns, count), peer="lender", timeout=600):
                now, part = time.perf_counter(), told.WhichOneof("part")
                if stage:
                    self.stages[stage].append((now - since) * 1000)
                stage, since = (control_pb2.ScoringStep.Stage.Name(told.step.stage) if part == "step" else ""), now
                done += len(told.scores.steps) if part == "scores" else 0
        if done != count:
            raise RuntimeError(f"{done} of {count} scores")

    def _messages(self, columns: list[list[float]], count: int) -> Iterator[control_pb2.ScoreRecordsRequest]:
        asked = control_pb2.RecordsAsked(
            agreement=self._agreement, product=f"products/{self._product}", purpose=_RISK, records=count,
            records_each=self._each,
        )  # fmt: skip
        yield control_pb2.ScoreRecordsRequest(asked=asked)
        values = array("d", (value for record in zip(*columns, strict=True) for value in record))
        for start in range(0, len(values), 100_000):
            piece = control_pb2.RecordValues(values=values[start : start + 100_000])
            yield control_pb2.ScoreRecordsRequest(values=piece)


class _Bare:
    """The library alone: one ciphertext a feature, and nothing of what makes an answer safe."""

    def __init__(self, made: Model) -> None:
        self._own = keys.make(LINEAR)
        self._theirs = tenseal.context_from(keys.public(self._own))
        self._weights = [float(each) for each in made.weights]
        self._middles = [(float(each.middle), float(each.half)) for each in made.features]
        self._intercept = float(made.intercept)
        self.up = self.down = 0

    def score(self, columns: list[list[float]]) -> list[float]:
        """All records, a block at a time."""
        found: list[float] = []
        self.up = self.down = 0
        for start in range(0, len(columns[0]), LINEAR.slots):
            block = [column[start : start + LINEAR.slots] for column in columns]
            sent = [tenseal.ckks_vector(self._own, each).serialize() for each in block]
            total = self._intercept + sum(
                tenseal.ckks_vector_from(self._theirs, each) * weight
                for each, weight in zip(sent, self._weights, strict=True)
            )
            back = total.serialize()
            found += tenseal.ckks_vector_from(self._own, back).decrypt()
            self.up, self.down = self.up + sum(map(len, sent)), self.down + len(back)
        return found

    def rows(self, columns: list[list[float]], count: int) -> float:
        """Milliseconds a record, as tutorials do it: a record is a vector, and rotations add it up."""
        self._own.generate_galois_keys()
        records = [[column[at] for column in columns] for at in range(count)]
        return milliseconds(lambda: [self._row(each) for each in records]) / count

    def _row(self, record: list[float]) -> float:
        sent = tenseal.ckks_vector(self._own, record).serialize()
        back = tenseal.ckks_vector_from(self._own, sent).dot(self._weights).serialize()
        found: float = tenseal.ckks_vector_from(self._own, back).decrypt()[0]
        return found


def _model(features: int) -> Model:
    drawn = random.Random(1)
    named = tuple(Feature(f"x{at}", "", Decimal(-1), Decimal(1)) for at in range(features))
    weights = tuple(Decimal(drawn.randrange(-1000, 1000)) / 1000 for _ in named)
    return Model(named, weights, Decimal("0.5"), IDENTITY, Decimal("0.01"), "07" * 32)


def _columns(features: int, records: int) -> list[list[float]]:
    drawn = random.Random(2)
    return [[drawn.uniform(-1, 1) for _ in range(records)] for _ in range(features)]


def _publish(bank: Node, made: Model) -> str:
    file, product = bank.folder / "model.json", new_id("prd")
    file.write_bytes(canonical.encode(made.body()))
    file.chmod(0o600)
    bank.do("source", "add", "risk", str(file))
    digest, names = made.digest(), [each.name for each in made.features]
    about = f'digest: "{digest}", answer: identity, step: 0.01, suite: ckks-linear'
    about += f", tolerance: {format(made.tolerance.normalize(), 'f')}"
    governance = "security_grade: 2, personal_data: false, important_data: false, legal_basis: law, cross_border: false"
    lines = [
        "apiVersion: hefu/v1", "kind: Model", f"product: {product}", 'title: {en: "Risk", zh: "风险"}',
        'description: {en: "Risk of loans.", zh: "贷款风险。"}', "source: risk", f"model: {{{about}}}", "columns:",
        *(
            f"  - {{name: {name}, type: decimal, sensitivity: internal,"
            " bounds: {lower: -1, upper: 1, granularity: 0.000001}}"
            for name in names
        ),
        f"privacy: {{unit: row, max_contribution: 1, lifetime: {{epsilon: 0, releases: {_MOST}}}}}",
        f"governance: {{{governance}}}",
        "offers:", "  - name: scores",
        f'    policy: {{template: credit-scoring, models: ["{digest}"], columns: [{", ".join(names)}], bits: 128,',
        f'             per_day: {_MOST}, count: {_MOST}, until: "2099-01-01T00:00:00Z", keep: P30D}}',
        f"    budget: {{epsilon: 0, releases: {_MOST}}}",
    ]  # fmt: skip
    text = bank.folder / "risk.yaml"
    text.write_text("\n".join([*lines, ""]), "utf-8")
    bank.do("product", "publish", str(text))
    return product


def _agree(lender: Node, product: str) -> str:
    with lender.control() as stub:
        request = control_pb2.RequestContractRequest(product=f"products/{product}", offer="scores", purpose=_RISK)
        made = transport.invoke(stub.RequestContract, request, peer="lender", timeout=30)
        wanted = control_pb2.GetContractRequest(name=made.name)

        def active() -> str:
            found = transport.invoke(stub.GetContract, wanted, peer="lender")
            return str(found.agreement_name) if found.state == control_pb2.Contract.STATE_ACTIVE else ""

        if not harness.until(active, 30):
            raise RuntimeError("the contract did not come into force")
        return active()


def _tell(
    page: Page, asked: argparse.Namespace, first: float, whole: list[float], loops: list[float], path: _Path,
    bare: _Bare, made: Model,
) -> None:  # fmt: skip
    records, features = asked.records, asked.features
    blocks = LINEAR.blocks(records)
    page.say(
        f"{asked.rounds} times {records:,} records with {features} features, {len(blocks)} blocks;",
        f"{asked.each:,} records are a request, and while one is answered the next is encrypted. In between the",
        "loop, in one warm process. Medians.",
        f"The first request of a contract, of one record, makes the key: {first:,.0f} ms.",
        "",
    )
    middle, loop = statistics.median(whole), statistics.median(loops)
    columns = _columns(features, _ROWS)
    tutorial = bare.rows(columns, _ROWS) * records
    page.table(
        ("what", "time", "a record", "ratio", "aim"),
        [
            ("whole path", *_times(middle, records), f"{middle / loop:.2f}", f"≤ {AIM}"),
            ("bare packed loop", *_times(loop, records), "1.00", ""),
            (f"a dot product a row ({_ROWS} measured)", *_times(tutorial, records), f"{tutorial / loop:.0f}", ""),
        ],
    )  # fmt: skip
    rows = [
        (_STAGES[name], f"{sum(found) / asked.rounds:,.0f} ms", _engine(name, made, blocks))
        for name, found in path.stages.items()
    ]
    page.table(("phase", "waited for", "the library and flooding alone, in a warm process"), rows)
    padded = LINEAR.answered * len(blocks)
    page.say(
        f"Bytes a record: {bare.up / records:,.0f} up, {padded / records:,.0f} down (padded); of a bare loop's answer",
        f"{bare.down / records:,.0f}, one level higher.",
    )


def _times(whole: float, records: int) -> tuple[str, str]:
    return f"{whole:,.0f} ms", f"{whole / records * 1000:,.0f} µs"


def _engine(name: str, made: Model, blocks: tuple[int, ...]) -> str:
    """One block in this process, times the number of blocks."""
    own = keys.make(LINEAR)
    theirs = keys.read_public(keys.public(own), LINEAR)
    columns = _columns(len(made.features), blocks[0])
    block = scoring.encrypt(own, made.features, columns)
    answer = scoring.score(theirs, made, block, blocks[0])
    work = {
        "STAGE_ENCRYPTING": lambda: scoring.encrypt(own, made.features, columns),
        "STAGE_WAITING": lambda: scoring.score(theirs, made, block, blocks[0]),
        "STAGE_DECRYPTING": lambda: scoring.decrypt(own, answer, LINEAR, blocks[0], made.step),
    }
    return f"{statistics.median(milliseconds(work[name]) for _ in range(3)) * len(blocks):,.0f} ms"


if __name__ == "__main__":
    main()
