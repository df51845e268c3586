"""The consumer's SQL, read by a positive list of words: what may be computed from a row, asked of rows, grouped by."""
