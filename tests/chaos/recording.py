"""What real processes did, as a history that the simulator's checker reads."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hefu import canonical
from hefu.envelope import Statement
from hefu.errors import HefuError
from hefu.evidence.bundle import open_bundle
from hefu.v1 import computation_pb2
from hefu_space import checker, harness
from hefu_space.history import History, sealed
from hefu_space.space import Space

from tests.journeys import acts
from tests.journeys.acts import Caller, Deal

State = computation_pb2.Computation
PRICE = [100_000_000, 0, 1]  # of `acts.Deal.plan` as it is without arguments


@dataclass
class Recording:
    """Requests of one deal, asked again and again until each has its end."""

    space: Space
    regulator: Path
    deal: Deal
    history: History = field(default_factory=lambda: History(time.monotonic))
    asked: dict[str, Statement] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)

    def ask(self, caller: Caller) -> bool:
        """One request more; whether it came to its end now."""
        request = caller.request(self.deal)
        computation = str(request.body["computation"])
        self.asked[computation] = request
        digest = canonical.digest(request.to_bytes())
        facts = {"computation": computation, "agreement": self.deal.agreement, "request": digest, "price": PRICE}
        self.history.note("consumer", "asked", **facts)
        return self.again(caller, computation)

    def again(self, caller: Caller, computation: str) -> bool:
        """The same bytes again, to the end, as far as the weather lets them; whether it came to its end."""
        try:
            caller.send(self.asked[computation].to_bytes())
            end = caller.end(computation)
            parts = caller.fetch(computation) if end.state == State.STATE_RELEASED else []
        except (HefuError, ValueError):
            return False
        if not end.receipt.envelope:
            return False
        state = State.State.Name(end.state).removeprefix("STATE_").lower()
        receipt = canonical.digest(end.receipt.envelope)
        self._later.append(
            ("told", {"computation": computation, "state": state, "receipt": receipt, "parts": end.parts})
        )
        for index, data in enumerate(parts):
            facts = {"computation": computation, "index": index, "digest": canonical.digest(data)}
            self._later.append(("part", facts))
        self.told.add(computation)
        return True

    def settle(self, seconds: float = 60) -> None:
        """Ask for every end that is not known yet, until all is known and logged."""

        def all_told() -> bool:
            with suppress(HefuError), acts.caller(self.deal.consumer, self.deal.provider) as caller:
                for computation in {*self.asked} - self.told:
                    self.again(caller, computation)
            return self.told == {*self.asked}

        assert harness.until(all_told, seconds), f"{len({*self.asked} - self.told)} of {len(self.asked)} have no end"
        assert harness.until(lambda: not _unsent(self.deal), seconds), "the journal does not reach the log"

    def check(self, folder: Path) -> None:
        """All of it together keeps the promise, by the checker and by the verifier that anybody has."""
        with acts.caller(self.deal.consumer, self.deal.provider) as caller:  # once more: the same bytes
            for computation in sorted(self.told):
                assert self.again(caller, computation)
        for name, balance in acts.balances(self.deal.provider).items():
            limit, charged = balance.limit, balance.charged
            self.history.note(
                "provider", "balance", account=name,
                charged=[charged.epsilon_nano, charged.delta_femto, balance.charged_releases, charged.rho_nano],
                limit=[limit.epsilon_nano, limit.delta_femto, balance.limit_releases, limit.rho_nano],
            )  # fmt: skip
        bundle = folder / "evidence.zip"
        assert acts.audit(self.regulator, bundle, self.space.space_file)["verified"]
        self._read(bundle)
        for kind, facts in self._later:
            self.history.note("consumer", kind, **facts)
        self.history.note("", "settled")
        assert checker.check(self.history.events) == []

    def _read(self, bundle: Path) -> None:
        with open_bundle(bundle) as opened:
            for each in opened.entries():
                envelope = each.envelope or b""
                digest = canonical.digest(envelope)
                self.history.note("log", "entry", index=each.index, leaf=each.leaf_hash.hex(), digest=digest)
                statement = Statement.parse(envelope) if envelope else None
                if statement is not None and statement.type.startswith("computation.") and "journal" in statement.body:
                    self.history.note("provider", "sealed", **sealed(envelope))

    @property
    def _later(self) -> list[tuple[str, dict[str, object]]]:
        """What the consumer heard; it is told after what the provider sealed, which it cannot see the time of."""
        found: list[tuple[str, dict[str, object]]] = self.__dict__.setdefault("heard", [])
        return found


def _unsent(deal: Deal) -> bool:
    try:
        return acts.unsent(deal.provider)
    except HefuError:
        return True
