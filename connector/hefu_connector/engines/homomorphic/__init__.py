"""Homomorphic encryption, in workers only: keys, frames of ciphertexts, encrypted scores."""
