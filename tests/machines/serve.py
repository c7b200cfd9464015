"""Has two pods with sidecars speak with each other, in Strict: ``python -m tests.machines.serve``.

A slow machine is given more time than tests of the data plane have.
"""

import sys
import tempfile
from pathlib import Path

from hack.dataplane import netns, pods
from tests.dataplane.links import APP_PORT
from tests.dataplane.roads import BREST, LYON, SECRET, STRICT, start
from tests.dataplane.talk import Echo, said

SECONDS = 300
DUAL = {"clusterNetworks": [pods.NETWORK, "fd00::/8"]}


def main() -> None:
    """Print what came back, and how many connections were encrypted."""
    pods.PATIENCE, netns.PATIENCE = SECONDS, float(SECONDS)
    with tempfile.TemporaryDirectory() as folder, pods.road(Path(folder)) as road:
        for pod, own in ((road.client, BREST), (road.server, LYON)):
            pod.certify(own, [BREST, LYON])
        start(road, STRICT, **DUAL)
        with Echo(road.server.net, APP_PORT):
            answer = said(road.client.net, road.server.address, APP_PORT, SECRET)
        count = road.state(road.server)["cluster.inbound-mtls.upstream_cx_total"]
    sys.stdout.write(f"{answer.decode()} {count}\n")


if __name__ == "__main__":
    main()
