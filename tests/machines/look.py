"""Prints, as JSON, what the agent finds that the kernel under it lacks: ``python -m tests.machines.look``."""

import asyncio
import json
import sys

from sovereign_operator.agent.node_check import check_kernel, has_ipv6


async def look() -> dict[str, object]:
    """Return whether the kernel has IPv6, and what it lacks."""
    return {"ipv6": has_ipv6(), "lacks": {lack.kind: lack.parts async for lack in check_kernel()}}


if __name__ == "__main__":
    sys.stdout.write(f"{json.dumps(asyncio.run(look()))}\n")
