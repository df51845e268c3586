"""What may follow what: negotiations, contracts and duties as tables of transitions."""
