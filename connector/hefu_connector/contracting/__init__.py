"""Contracts: negotiated in two roles, verified by this connector itself, in force until they end."""
