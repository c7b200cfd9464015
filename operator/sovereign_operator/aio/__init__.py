"""Helpers that asyncio lacks: running coroutines side by side, and restarting them after errors."""
