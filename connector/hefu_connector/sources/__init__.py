"""Where data lives: adapters of the Source port."""
