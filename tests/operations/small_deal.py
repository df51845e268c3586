"""A contract in force between two connectors of a small space, and computations under it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hefu.statements.receipt import Receipt
from hefu_connector.running import Connector
from hefu_connector.settings import Home, Settings
from hefu_connector.storage.database import Database
from hefu_connector.storage.journal import SqlJournal
from hefu_connector.storage.ledger import SqlLedger

from tests.connector.small_space import PURPOSE, Space, agree, plan, provide


@dataclass
class Deal:
    space: Space
    agreement: str
    provider_name: str = "hospital-a"

    @property
    def provider(self) -> Connector:
        return self.space.connectors[self.provider_name]

    @property
    def provider_folder(self) -> Path:
        return self.space.folder / self.provider_name

    def compute(self) -> None:
        """One release to the consumer."""
        consumer = self.space.connectors["pharma-b"]
        outcome = consumer.asking.compute(plan("prd-visits"), self.agreement, PURPOSE, "rui")
        assert isinstance(outcome.end, Receipt), outcome.end

    def charged(self) -> int:
        """ε in 10⁻⁹ charged to the agreement."""
        balances = {each.account.name: each.charged.loss.epsilon_nano for each in self._ledger(self.provider)}
        return balances.get(f"agreement/{self.agreement}", 0)

    def unsent(self) -> bool:
        """Whether receipts of the provider still wait for the log."""
        return bool(self.provider.enforcement._world.reader.outbox(1))

    def sums(self, folder: Path) -> tuple[int, int]:
        """What a copy says was charged to the agreement, and what it says was released under it; both in 10⁻⁹."""
        home = Home(folder)
        settings = Settings.read(home)
        opened = settings.lock(home).open()
        assert opened is not None
        database = Database.at(home.database, "demo", opened.derive("database"))
        try:
            accounts = {each.account.name: each.charged.loss.epsilon_nano for each in SqlLedger(database).balances()}
            runs = SqlJournal(database).runs(100)
        finally:
            database.close()
        released = [each.charge.loss.epsilon_nano for each in runs if each.state == "released" and each.charge]
        return accounts.get(f"agreement/{self.agreement}", 0), sum(released)

    def _ledger(self, connector: Connector) -> list:  # type: ignore[type-arg]
        return list(connector.enforcement._world.ledger.balances())


def agreed(space: Space) -> Deal:
    """A provider, a consumer, a product, and a contract in force."""
    provider = space.member("hospital-a", "provider", quantum_ms=0)
    consumer = space.member("pharma-b", "consumer")
    provide(provider, space.folder)
    return Deal(space, agree(provider, consumer, "prd-visits"))
