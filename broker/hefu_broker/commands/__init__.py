"""The commands of whoever operates a broker."""
