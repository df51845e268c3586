"""What regulators may: orders that are obeyed, openings that are logged."""
