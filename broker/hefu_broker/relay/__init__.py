"""The relay: who listens, which tunnels are open, and the port that carries them."""
