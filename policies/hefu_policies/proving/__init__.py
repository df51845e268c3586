"""What stands after the fact: receipts, decisions replayed, and evidence verified offline."""
