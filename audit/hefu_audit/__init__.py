"""The audit tower: a regulator, a witness, a monitor."""
