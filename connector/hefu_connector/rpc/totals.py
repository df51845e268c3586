"""The call by which this participant's own people ask for a joint total: a part of the control service."""

# ruff: noqa: N802 - methods are named as in the protocol

from __future__ import annotations

from collections.abc import Callable, Iterator

import grpc
from hefu import canonical
from hefu.v1 import control_pb2

from hefu_connector.computing.asking import Asking
from hefu_connector.computing.computation import LARGEST_PLAN, Plan
from hefu_connector.computing.totals import Stage, Step, Total, Totals, Wish
from hefu_connector.rpc import views
from hefu_connector.rpc.views import id_in

_STAGES = {
    Stage.KEYS: control_pb2.TotalStep.STAGE_KEYS,
    Stage.ASKING: control_pb2.TotalStep.STAGE_ASKING,
    Stage.JOINING: control_pb2.TotalStep.STAGE_JOINING,
    Stage.COMPUTING: control_pb2.TotalStep.STAGE_COMPUTING,
    Stage.ADDING: control_pb2.TotalStep.STAGE_ADDING,
    Stage.OPENING: control_pb2.TotalStep.STAGE_OPENING,
}


class TotalCalls:
    """Serves joint totals. Failures are raised; `hefu.wire.transport` translates them."""

    _totals: Totals
    _asked: Asking
    _purpose: Callable[[str], str]

    @property
    def _user(self) -> str:
        """In whose name a total is asked."""
        raise NotImplementedError

    def ComputeTotal(
        self, request: control_pb2.ComputeTotalRequest, context: grpc.ServicerContext
    ) -> Iterator[control_pb2.ComputeTotalResponse]:
        """Ask several providers for one total."""
        plan = Plan.of(canonical.decode_object(request.plan, LARGEST_PLAN))
        agreements = tuple(id_in(each, "agreements") for each in request.agreements)
        purpose = request.purpose or (self._purpose(agreements[0]) if agreements else "")
        wish = Wish(plan, agreements, request.aggregator, request.honest, purpose, self._user)
        for told in self._totals.total(wish):
            if isinstance(told, Step):
                step = control_pb2.TotalStep(stage=_STAGES[told.stage], done=told.done, parties=told.parties)
                yield control_pb2.ComputeTotalResponse(step=step)
            else:
                yield control_pb2.ComputeTotalResponse(total=self._told(told, plan))

    def _told(self, total: Total, plan: Plan) -> control_pb2.JointTotal:
        return control_pb2.JointTotal(
            answer=views.answer(total.answer),
            keys=len(total.answer.headings) - len(plan.aggregates),
            computations=[views.own_computation(self._asked.outcome(each).own) for each in total.computations],
        )
