"""Whom the pods of a node ask for names: who is written down in the agent's own resolv.conf, as in that of any other.

A pod keeps what was written when it was created, so older pods may ask others; and some say themselves whom they ask.
Their policy has to name these.
"""

import logging
from ipaddress import ip_network
from pathlib import Path

from sovereign_operator.core.encryption.traffic_rules import Network

logger = logging.getLogger(__name__)


def read_name_servers(resolv_conf: Path) -> tuple[Network, ...]:
    """Return the name servers in a resolv.conf, each as a network of one address, and log them."""
    servers = parse(resolv_conf.read_text("utf-8"))
    if servers:
        logger.info("pods in Strict may ask these for names: %s", ", ".join(map(str, servers)))
    else:
        logger.warning("pods in Strict may ask nobody for names: %s names no server", resolv_conf)
    return servers


def parse(text: str) -> tuple[Network, ...]:
    """Parse a resolv.conf. A line that cannot be parsed is ignored, as resolvers do."""
    found: list[Network] = []
    for line in text.splitlines():
        keyword, *values = line.split() or [""]
        if keyword == "nameserver" and values:
            try:
                found.append(ip_network(values[0].partition("%")[0]))
            except ValueError as error:
                logger.warning("a name server is left out: %s", error)
    return tuple(found)
