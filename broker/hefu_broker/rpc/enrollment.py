"""EnrollmentService: for those who have no certificate yet."""

from __future__ import annotations

import grpc
from hefu.v1 import common_pb2, registry_pb2, registry_pb2_grpc

from hefu_broker.enrolment import Enrolments
from hefu_broker.records import Enrolment, EnrolmentState
from hefu_broker.registry import Registry
from hefu_broker.rpc.answers import named

_STATES = {
    EnrolmentState.PENDING: registry_pb2.Enrollment.STATE_PENDING,
    EnrolmentState.CERTIFIED: registry_pb2.Enrollment.STATE_CERTIFIED,
    EnrolmentState.REJECTED: registry_pb2.Enrollment.STATE_REJECTED,
}


class EnrollmentServicer(registry_pb2_grpc.EnrollmentServiceServicer):
    """Serves enrolment over TLS that authenticates the server only."""

    def __init__(self, enrolments: Enrolments, registry: Registry) -> None:
        self._enrolments = enrolments
        self._registry = registry

    def Enroll(self, request: registry_pb2.EnrollRequest, context: grpc.ServicerContext) -> registry_pb2.Enrollment:  # noqa: N802 - the name in the protocol
        """See the service."""
        return self._answer(self._enrolments.enroll(request.token, request.request.envelope, request.csr))

    def GetEnrollment(  # noqa: N802 - the name in the protocol
        self, request: registry_pb2.GetEnrollmentRequest, context: grpc.ServicerContext
    ) -> registry_pb2.Enrollment:
        """See the service. The certificate is issued now, so that it has its whole life before it."""
        return self._answer(self._enrolments.enrolment(named(request.name, "enrollments")))

    def _answer(self, found: Enrolment) -> registry_pb2.Enrollment:
        answer = registry_pb2.Enrollment(name=f"enrollments/{found.id}", state=_STATES[found.state])
        if found.certification is not None:
            self._registry.reload()  # a command may have kept the certification a moment ago
            self._registry.directory.check_active(found.participant, self._registry.now())
            issued = self._registry.issue(found.participant, found.connector, found.csr)
            answer.certification.CopyFrom(common_pb2.Statement(envelope=found.certification))
            answer.transport_certificate = issued.der
        return answer
