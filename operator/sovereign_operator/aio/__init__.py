"""What asyncio leaves out: tasks beside each other, and again after errors."""
