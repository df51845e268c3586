"""Following a log as it grows: what is verified each time, by which rules it alarms, and whom it tells."""
