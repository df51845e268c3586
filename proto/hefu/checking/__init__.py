"""What must be true of evidence, check by check, offline, and the command that verifies it."""
