"""The questions that a regulator asks of a verified copy of the log, one file a family; the table is `table`."""
