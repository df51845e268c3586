"""The call by which this participant's own people have records scored: a part of the control service."""

# ruff: noqa: N802 - methods are named as in the protocol

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator

import grpc
from hefu.errors import Malformed
from hefu.v1 import control_pb2
from hefu_policies.reading import write_decimal

from hefu_connector.computing.scoring import Answered, Scores, Stage, Under
from hefu_connector.rpc.views import id_in

_STAGES = {
    Stage.ENCRYPTING: control_pb2.ScoringStep.STAGE_ENCRYPTING,
    Stage.WAITING: control_pb2.ScoringStep.STAGE_WAITING,
    Stage.DECRYPTING: control_pb2.ScoringStep.STAGE_DECRYPTING,
}


class ScoreCalls:
    """Serves encrypted scores. Failures are raised; `hefu.wire.transport` translates them."""

    _scoring: Scores
    _purpose: Callable[[str], str]

    @property
    def _user(self) -> str:
        """In whose name a score is asked."""
        raise NotImplementedError

    def ScoreRecords(
        self, requests: Iterator[control_pb2.ScoreRecordsRequest], context: grpc.ServicerContext
    ) -> Iterator[control_pb2.ScoreRecordsResponse]:
        """Have records scored."""
        first = next(requests, None)
        if first is None or first.WhichOneof("part") != "asked":
            raise Malformed("request.malformed", why="the first message says under which agreement")
        asked = first.asked
        under, each = self._under(asked), max(0, asked.records_each)
        most = under.model.each(each)
        under.model.check_order(asked.records, most)
        yield control_pb2.ScoreRecordsResponse(begun=_begun(under, most, under.model.charge(asked.records)))
        for told in self._scoring.score(under, _divided(requests, most * under.model.width)):
            yield from _told(told)

    def _under(self, asked: control_pb2.RecordsAsked) -> Under:
        agreement = id_in(asked.agreement, "agreements")
        product = id_in(asked.product, "products") if asked.product else ""
        return self._scoring.under(agreement, product, asked.purpose or self._purpose(agreement), self._user)


def _divided(requests: Iterator[control_pb2.ScoreRecordsRequest], most: int) -> Iterator[array[float]]:
    """The values that come, as many at a time as one request takes."""
    held = array("d")
    for each in requests:
        if each.WhichOneof("part") != "values":
            raise Malformed("request.malformed", why="values of records after the first message")
        held.extend(each.values.values)
        while len(held) >= most:
            yield held[:most]
            held = held[most:]
    if held:
        yield held


def _begun(under: Under, most: int, charge: int) -> control_pb2.ScoringBegun:
    served = under.model.served
    return control_pb2.ScoringBegun(
        product=f"products/{under.product}",
        provider=under.provider,
        model=served.digest,
        answer=served.answer,
        step=write_decimal(served.step),
        tolerance=write_decimal(served.tolerance),
        records_each=most,
        charge=charge,
    )


def _told(told: Stage | Answered) -> Iterator[control_pb2.ScoreRecordsResponse]:
    if isinstance(told, Stage):
        yield control_pb2.ScoreRecordsResponse(step=control_pb2.ScoringStep(stage=_STAGES[told]))
        return
    scores = control_pb2.RecordScores(
        steps=told.steps, computation=f"computations/{told.computation}", charged=told.charged
    )
    yield control_pb2.ScoreRecordsResponse(scores=scores)
