"""Computation engines, in two halves each: one prices and reads in the connector, one runs in a worker."""


class Moved(Exception):
    """The file is not the table that was described: a column is missing or of another type, or it cannot be read."""
