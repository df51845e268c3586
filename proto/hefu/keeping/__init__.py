"""Keys, secrets and stores at rest: made, sealed, opened, and refused where others can read them."""
