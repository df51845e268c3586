"""Duties before a computation: what was performed is used up by one request, and what is missing is waited for."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from hefu.errors import HefuError
from hefu_policies.deciding.reasons import Code
from hefu_policies.words.terms import Phase

from hefu_connector.computing import admission
from hefu_connector.computing.admission import Admitted
from hefu_connector.computing.course import Course
from hefu_connector.computing.request import ComputationRequest
from hefu_connector.contracting.owing import subject_of
from hefu_connector.ports import Contracts, Obligations

log = logging.getLogger("hefu.enforcement")


class Performing:
    """The books of what is owed, as the enforcement point uses them."""

    def __init__(self, participant: str, contracts: Contracts, owing: Obligations) -> None:
        self._participant = participant
        self._contracts = contracts
        self._owing = owing

    def use(self, admitted: Admitted, subject: str) -> None:
        """Use up what was performed for this request, under each of its contracts or under none."""
        done: list[Admitted] = []
        try:
            for side in admitted.sides:
                self._owing.admit(side.contract, side.under.clause, side.performed, subject, side.request.computation)
                done.append(side)
        except HefuError:
            self.give_back(done, subject)
            raise

    def give_back(self, sides: Iterable[Admitted], subject: str) -> None:
        """Give back what was used up for a request that was not charged."""
        for side in sides:
            self._owing.give_back(side.contract, side.under.clause, subject, side.request.computation)

    def wait(self, request: ComputationRequest, error: HefuError, course: Course) -> None:
        """Enter in the books what a request that was permitted after duties waits for."""
        if error.code != "contract.duties":
            return
        try:
            contracts = admission.choose(request, self._participant, self._contracts)
            subject = subject_of(request.plan, request.purpose)
            for contract, one in zip(contracts, (course, *course.joined), strict=False):
                if pending := one.parts(Phase.ADMISSION, Code.PENDING):
                    self._owing.wait(contract, pending, subject, request.computation)
        except HefuError as fault:  # it is refused all the same, and may be asked again
            log.warning("what computation %s waits for is not entered: %s", request.computation, fault.code)
