"""Agreements as Chinese digital contracts (TC609-6-2025-14), and back without loss.

`write` gives the view of an agreement with all fields of the standard's dictionary; what the standard cannot carry
(privacy budgets, what was agreed on exactly) travels in its ``expansionItem``. `read` takes the agreement out of a view
again, and refuses a view whose fields contradict each other. `import_strategies` brings strategies of other platforms
into a policy of ours, keeping their spelling.
"""

from __future__ import annotations

from hefu_policies.tc609.strategies import Imported, export_strategies, import_strategies
from hefu_policies.tc609.view import DigitalContract, Signed, read, write

__all__ = ["DigitalContract", "Imported", "Signed", "export_strategies", "import_strategies", "read", "write"]
