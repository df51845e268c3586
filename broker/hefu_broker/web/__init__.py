"""What a browser and any HTTP client reads of a broker: the log's tiles, and pages. Nothing here changes anything."""
