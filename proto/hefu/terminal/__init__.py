"""What every command shares: groups, output for people and machines, help in two languages."""
