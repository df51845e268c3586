"""The policies floor: contracts in meaning. Pure: no I/O, no clock, no engine."""
