"""What people do with their running connector, from commands and from Python alike: find it, ask, read answers."""
