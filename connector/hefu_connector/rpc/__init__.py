"""The connector over gRPC: peers over mutual TLS, its owner over a local socket."""
