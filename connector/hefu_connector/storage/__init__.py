"""What the connector stores. Each adapter takes one open `Database`; nothing of SQL leaves this package."""

from hefu_connector.storage.contracts import SqlContracts
from hefu_connector.storage.database import Database
from hefu_connector.storage.deliveries import SqlDeliveries
from hefu_connector.storage.disclosures import SqlDisclosures
from hefu_connector.storage.handed import SqlHanded
from hefu_connector.storage.journal import SqlJournal
from hefu_connector.storage.ledger import SqlLedger
from hefu_connector.storage.marks import SqlMarks
from hefu_connector.storage.products import SqlProducts
from hefu_connector.storage.requests import SqlRequests
from hefu_connector.storage.scores import SqlScores
from hefu_connector.storage.sources import SqlSources

__all__ = [
    "Database",
    "SqlContracts",
    "SqlDeliveries",
    "SqlDisclosures",
    "SqlHanded",
    "SqlJournal",
    "SqlLedger",
    "SqlMarks",
    "SqlProducts",
    "SqlRequests",
    "SqlScores",
    "SqlSources",
]
