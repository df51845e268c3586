"""The part of the control service for what comes after an agreement was made: suspended, owed, alarmed."""

from __future__ import annotations

import grpc
from hefu.errors import Malformed
from hefu.v1 import control_pb2

from hefu_connector.desk.aftermath import Aftermath
from hefu_connector.rpc import views

SUSPENDED_CODE, RESUMED_CODE = "agreement.suspended", "agreement.resumed"


class AfterwardsCalls:
    """Served beside the other calls of `rpc.control`."""

    _aftermath: Aftermath

    @property
    def _user(self) -> str:
        raise NotImplementedError

    def _contract(self, id_: str) -> control_pb2.Contract:
        raise NotImplementedError

    def SuspendContract(  # noqa: N802 - the name in the protocol
        self, request: control_pb2.SuspendContractRequest, context: grpc.ServicerContext
    ) -> control_pb2.Contract:
        """Suspend an agreement."""
        agreement = _agreement(request.name)
        self._aftermath.notices.suspend(agreement, SUSPENDED_CODE, request.reason, self._user)
        return self._contract(agreement)

    def ResumeContract(  # noqa: N802 - the name in the protocol
        self, request: control_pb2.ResumeContractRequest, context: grpc.ServicerContext
    ) -> control_pb2.Contract:
        """Resume one."""
        agreement = _agreement(request.name)
        self._aftermath.notices.resume(agreement, RESUMED_CODE, request.reason, self._user)
        return self._contract(agreement)

    def ListDuties(  # noqa: N802 - the name in the protocol
        self, request: control_pb2.ListDutiesRequest, context: grpc.ServicerContext
    ) -> control_pb2.ListDutiesResponse:
        """What is owed."""
        found = self._aftermath.duties(_agreement(request.name) if request.name else "")
        return control_pb2.ListDutiesResponse(duties=map(views.duty, found))

    def FulfilDuty(  # noqa: N802 - the name in the protocol
        self, request: control_pb2.FulfilDutyRequest, context: grpc.ServicerContext
    ) -> control_pb2.Duty:
        """State that a duty was performed."""
        agreement = _agreement(request.name)
        return views.duty(
            self._aftermath.fulfil(agreement, request.duty, request.subject, request.reference, self._user)
        )

    def StateInfringement(  # noqa: N802 - the name in the protocol
        self, request: control_pb2.StateInfringementRequest, context: grpc.ServicerContext
    ) -> control_pb2.Alarm:
        """State that what is forbidden was done."""
        agreement = _agreement(request.name)
        return views.alarm(
            self._aftermath.infringed(agreement, request.clause, request.subject, request.reason, self._user)
        )

    def ListAlarms(  # noqa: N802 - the name in the protocol
        self, request: control_pb2.ListAlarmsRequest, context: grpc.ServicerContext
    ) -> control_pb2.ListAlarmsResponse:
        """What is not as was agreed."""
        found = self._aftermath.alarms(_agreement(request.name) if request.name else "")
        return control_pb2.ListAlarmsResponse(alarms=map(views.alarm, found))


def _agreement(name: str) -> str:
    collection, slash, id_ = name.partition("/")
    if collection != "agreements" or not slash or not 0 < len(id_) <= 64 or "/" in id_:
        raise Malformed("request.malformed", why="a name is agreements/ID")
    return id_
