"""Being a member of a space: enrolled, certified, trusting what was verified, telling the log what was done."""
