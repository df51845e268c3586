"""What a server needs to run and to be looked after: faults, health, logs, telemetry, backup, the doctor."""
