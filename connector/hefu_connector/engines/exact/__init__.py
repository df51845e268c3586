"""Exact aggregates under disclosure control: no noise, and no differential privacy guarantee."""
