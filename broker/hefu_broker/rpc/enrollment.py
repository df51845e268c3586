"""EnrollmentService: for those who have no certificate yet."""

from __future__ import annotations

import grpc
from hefu.v1 import common_pb2, registry_pb2, registry_pb2_grpc

from hefu_broker.records import Enrolment, EnrolmentState
from hefu_broker.rooms import Rooms, Spaces
from hefu_broker.rpc.answers import named

_STATES = {
    EnrolmentState.PENDING: registry_pb2.Enrollment.STATE_PENDING,
    EnrolmentState.CERTIFIED: registry_pb2.Enrollment.STATE_CERTIFIED,
    EnrolmentState.REJECTED: registry_pb2.Enrollment.STATE_REJECTED,
}


class EnrollmentServicer(registry_pb2_grpc.EnrollmentServiceServicer):
    """Serves enrolment over TLS that authenticates the server only."""

    def __init__(self, spaces: Spaces) -> None:
        self._spaces = spaces

    def Enroll(self, request: registry_pb2.EnrollRequest, context: grpc.ServicerContext) -> registry_pb2.Enrollment:  # noqa: N802 - the name in the protocol
        """See the service. The token says which space it is for."""
        rooms = self._spaces.invited(request.token)
        return _answer(rooms, rooms.enrolments.enroll(request.token, request.request.envelope, request.csr))

    def GetEnrollment(  # noqa: N802 - the name in the protocol
        self, request: registry_pb2.GetEnrollmentRequest, context: grpc.ServicerContext
    ) -> registry_pb2.Enrollment:
        """See the service. The certificate is issued now, so that it has its whole life before it."""
        id_ = named(request.name, "enrollments")
        rooms = self._spaces.enrolling(id_)
        return _answer(rooms, rooms.enrolments.enrolment(id_))


def _answer(rooms: Rooms, found: Enrolment) -> registry_pb2.Enrollment:
    answer = registry_pb2.Enrollment(name=f"enrollments/{found.id}", state=_STATES[found.state])
    if found.certification is not None:
        registry = rooms.registry
        registry.reload()  # a command may have kept the certification a moment ago
        registry.directory.check_active(found.participant, registry.now())
        issued = registry.issue(found.participant, found.connector, found.csr)
        answer.certification.CopyFrom(common_pb2.Statement(envelope=found.certification))
        answer.transport_certificate = issued.der
    return answer
