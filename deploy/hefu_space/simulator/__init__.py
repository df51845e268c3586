"""A whole space in memory, in one thread, from one seed: the real rooms behind their ports, a bad network, bad disks.

The same seed gives the same history. See `hefu_space.checker` for what a history is held against.
"""
