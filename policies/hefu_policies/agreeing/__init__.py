"""What is signed: agreements of two or more parties, what they allow, and what may change in them."""
