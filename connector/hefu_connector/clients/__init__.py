"""The connector as a client: of the broker, and of other connectors."""
