"""The commands: which question each asks, and how its answer is shown."""
