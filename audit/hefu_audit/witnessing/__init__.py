"""A witness: it cosigns a log's checkpoints as long as each leads on from the last, and remembers that for ever."""
