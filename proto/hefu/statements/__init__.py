"""What parties state, each kind with its form: receipts, deliveries, notices, filings, doings."""
