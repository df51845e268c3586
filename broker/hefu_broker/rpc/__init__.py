"""The broker over gRPC: thin servicers that translate messages and errors."""
