"""What this participant's own people are served: their sources, and an overview of everything that waits."""
