"""What is handed over to be verified: bundles, records of a log, time stamps."""
