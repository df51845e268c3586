"""Bytes between machines: gRPC with mutual TLS, tunnels, posting, asking witnesses."""
