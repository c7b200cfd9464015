"""Reads what answers rest on, as the caller may, and notes what the caller may not read."""
