"""For who writes policies: cases that are tried, lints, and what a policy would permit."""
