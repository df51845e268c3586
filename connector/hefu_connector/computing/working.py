"""Step 5 of the enforcement point: a worker gets parameters and tables, and nothing else reaches data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from hefu import canonical
from hefu.canonical import Object
from hefu.errors import Unavailable, Untrusted
from hefu.running import faults

from hefu_connector.computing import admission, disclosure, gathering, guard
from hefu_connector.computing.admission import Admitted
from hefu_connector.computing.disclosure import History
from hefu_connector.computing.meeting import Meeting
from hefu_connector.computing.world import World
from hefu_connector.ports import Source, Table
from hefu_connector.session import Session


@dataclass(frozen=True, slots=True)
class Output:
    """What a worker returned, and the bytes that it made, if that is what it was to do."""

    values: Object
    blob: bytes | None = None


class Working:
    """Opens what a computation reads, and has a worker compute. May be called from any thread.

    Args:
        meeting: where the parties of runs over several connectors meet.
        stopped: whether a computation was told to stop.
    """

    def __init__(self, world: World, meeting: Meeting, stopped: Callable[[str], bool]) -> None:
        self._world = world
        self._meeting = meeting
        self._stopped = stopped
        self._standings = disclosure.Standings()

    def compute(self, admitted: Admitted, spare: int) -> tuple[Output, Table, History | None]:
        """Have a worker compute: what it returned, of which table, and the history that it was held against.

        Args:
            spare: waiting workers that are left to others.

        Raises:
            Unavailable: the worker died or was stopped, or what it needs is not there.
            HefuError: the data, a model or what was carried is not what was agreed on.
        """
        with self._opened(admitted) as table, self._inputs(admitted) as uploaded, self._carried(admitted) as carried:
            history = self._history(admitted, table)
            given = replace(table, beside=(*table.beside, *uploaded, *carried))
            output = self._run(admitted, given, history, spare)
        faults.point("worker.returned")
        return output, table, history

    def _run(self, admitted: Admitted, table: Table, history: History | None, spare: int) -> Output:
        """What a worker returns; of an exact answer, once the workers have found out about all that was told."""
        if admitted.prepared.encrypted is not None:
            return self._make(admitted, table)
        for _ in range(disclosure.MOST_WORKERS):
            if self._stopped(admitted.request.computation):
                raise Unavailable("cancelled")
            output = self._world.workers.run(
                admitted.engine.name, self._parameters(admitted, history), table,
                job=admitted.request.computation, deadline=admitted.seconds, spare=spare,
            )  # fmt: skip
            if history is None:
                return Output(output)
            output = history.taken(output)
            if not disclosure.is_behind(output):
                return Output(output)
        raise Unavailable("worker.deadline")

    def _make(self, admitted: Admitted, table: Table) -> Output:
        """What a worker returns and makes, where the answer is ciphertexts."""
        made = bytearray()

        def take(piece: bytes) -> None:
            if len(made) + len(piece) > guard.LARGEST_RELEASE:
                raise Untrusted("guard.shape", detail="the release is too large")
            made.extend(piece)

        if self._stopped(admitted.request.computation):
            raise Unavailable("cancelled")
        values = self._world.workers.make(
            admitted.engine.name, self._parameters(admitted, None), table, take,
            job=admitted.request.computation, deadline=admitted.seconds,
        )  # fmt: skip
        return Output(values, bytes(made))

    @contextmanager
    def _opened(self, admitted: Admitted) -> Iterator[Table]:
        """The tables of a computation, those that are joined beside the first."""
        with ExitStack() as opened:
            found: list[Table] = []
            if (joint := self._joint(admitted)) is not None:
                table = opened.enter_context(joint.open(sorted(admitted.prepared.reads), admitted.prepared.parameters))
                found += (table, *table.beside)
            else:
                for side in admitted.sides:
                    source = self._world.sources(side.resource.id)
                    found.append(opened.enter_context(source.open(sorted(side.prepared.reads), side.asked())))
            for side, table in zip(admitted.sides, found, strict=True):
                admission.check_snapshot(side.contract, table)
                admission.check_model(side.resource, table)
            yield replace(found[0], beside=tuple(found[1:]))

    def _joint(self, admitted: Admitted) -> Source | None:
        """Of two tables that are joined where both live, the source of both."""
        resources = [each.resource.id for each in admitted.sides]
        return self._world.joint(*resources) if len(resources) == 2 else None

    @contextmanager
    def _inputs(self, admitted: Admitted) -> Iterator[tuple[Table, ...]]:
        """What its consumer uploaded for a computation, if it names any."""
        if not admitted.prepared.inputs:
            yield ()
            return
        with self._world.inputs.open(admitted.statement.issuer, admitted.prepared.inputs) as table:
            yield (table,)

    @contextmanager
    def _carried(self, admitted: Admitted) -> Iterator[tuple[Table, ...]]:
        """Of the party that adds up in a run over several connectors, what the others released for it."""
        world, computation = self._world, admitted.request.computation
        session, form, met = admitted.prepared.session, admitted.prepared.encrypted, self._meeting.met(computation)
        if session is None or form is None or met is None or not met.carried:
            yield ()
            return
        with world.inputs.open(session.consumer, met.carried) as uploaded, uploaded.path.open("rb") as file:
            found = gathering.gather(file, session, met, world.participant, form, world.trust, world.unseal)
        digest = canonical.digest(found)
        world.inputs.keep(world.participant, computation, digest, len(found), [found])
        try:
            with world.inputs.open(world.participant, digest) as table:
                yield (table,)
        finally:
            world.inputs.drop(world.participant, computation)

    def _history(self, admitted: Admitted, table: Table) -> History | None:
        """Of exact aggregates, what was told of the asset before."""
        disclosing = admitted.prepared.disclosing
        if disclosing is None:
            return None
        return History(self._world.disclosures, admitted.resource.id, disclosing, table, self._standings)

    def _parameters(self, admitted: Admitted, history: History | None) -> Object:
        """What the worker gets; for a delivery with the agreement's secret, which pseudonyms and samples hang on, and
        of a run over several connectors what this party has in common with each other."""
        parameters = admitted.prepared.parameters
        if admitted.prepared.session is not None:
            return {**parameters, "session": self._common(admitted, admitted.prepared.session)}
        if history is not None:
            return history.parameters(parameters)
        if admitted.prepared.delivery is None:
            return parameters
        reach = admission.reach(admitted.contract, admitted.engine.action)
        return {**parameters, "key": self._world.secret(admitted.under.agreement).hex(), "reach": reach}

    def _common(self, admitted: Admitted, session: Session) -> Object:
        met, me = self._meeting.met(admitted.request.computation), self._world.participant
        if met is None:
            raise Unavailable("cancelled")
        secrets: Object = {name: secret.hex() for name, secret in met.secrets.items()}
        return {"me": me, "secrets": secrets, "sums": me == session.aggregator}
