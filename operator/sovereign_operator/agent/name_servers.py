"""The name servers of a node's pods, which pods in Strict may query in any case.

The agent reads them from its own resolv.conf, which the kubelet writes as it does for other pods. A pod may have other
name servers: an older pod keeps those of its creation, and spec.dnsConfig may name some. Its policy must list these.
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
        logger.info("pods in Strict may query these name servers: %s", ", ".join(map(str, servers)))
    else:
        logger.warning("pods in Strict may query no name server: %s names none", resolv_conf)
    return servers


def parse(text: str) -> tuple[Network, ...]:
    """Parse a resolv.conf. A line that cannot be parsed is ignored, as resolvers do."""
    servers: list[Network] = []
    for line in text.splitlines():
        keyword, *values = line.split() or [""]
        if keyword == "nameserver" and values:
            try:
                servers.append(ip_network(values[0].partition("%")[0]))
            except ValueError as error:
                logger.warning("a name server is ignored: %s", error)
    return tuple(servers)
