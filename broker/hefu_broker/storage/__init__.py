"""What the broker stores, as SQLModel tables behind its ports."""
