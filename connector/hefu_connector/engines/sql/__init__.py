"""From a shape to the one SQL statement of an engine: one writer, and for each engine the words in which it differs."""
