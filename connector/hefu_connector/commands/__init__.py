"""The commands of a participant. Light to import: whatever is heavy is imported by the command that needs it."""

from __future__ import annotations

from hefu.commands import Group

from hefu_connector.commands import catalog, compute, connector, contract, delivery, policy, product, record, source

CONNECTOR = Group("connector", "set up and run this participant's connector", connector.add)
SOURCE = Group("source", "where this participant's data is", source.add)
PRODUCT = Group("product", "describe and publish data products", product.add)
CATALOG = Group("catalog", "find what others offer", catalog.add)
CONTRACT = Group("contract", "request, approve and end contracts", contract.add)
COMPUTE = Group("compute", "ask private statistics under a contract", compute.add)
DELIVERY = Group("delivery", "have data delivered under a contract; read, export and delete it", delivery.add)
POLICY = Group("policy", "policies in plain words: templates, checks, tests, what would be permitted", policy.add)
RELEASE = Group("release", "what left this provider, to whom, under which clause", record.add_release)
BUDGET = Group("budget", "privacy budgets: granted, spent, left", record.add_budget)

__all__ = [
    "BUDGET", "CATALOG", "COMPUTE", "CONNECTOR", "CONTRACT", "DELIVERY", "POLICY", "PRODUCT", "RELEASE", "SOURCE",
]  # fmt: skip
