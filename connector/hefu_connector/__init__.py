"""The connector: a participant, provider and consumer in one program."""
