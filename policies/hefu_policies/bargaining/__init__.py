"""Rounds of a negotiation, limits of what is accepted without asking, and the charter of a space."""
