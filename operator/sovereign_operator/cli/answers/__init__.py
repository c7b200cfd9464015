"""What each command answers, as plain data, and the pure functions that decide it with the core."""
