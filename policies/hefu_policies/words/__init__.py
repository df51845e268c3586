"""The vocabulary: actions, operands, purposes and terms, each one table in code."""
