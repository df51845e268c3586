"""A whole space on one machine: demo and test harness. Imported by no other package."""
