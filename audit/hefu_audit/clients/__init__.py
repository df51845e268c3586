"""The audit tower as a client of the broker."""
