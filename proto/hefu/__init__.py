"""The protocol floor: contracts in bytes."""
