"""Disposable, pre-spawned, single-use processes in which engines run."""
