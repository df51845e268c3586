"""The C2SP transparency log as plain values: no I/O, no clock, no storage."""
