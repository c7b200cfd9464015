"""A real Kubernetes cluster on one machine: with kind where a Docker engine can run it, else without an engine.

::

    spec = ClusterSpec("demo", (NodeSpec("paris", labels={"topology.kubernetes.io/region": "eu-west"}),))
    cluster = up(spec)
    cluster.load_image(Path("image.tar"))
    subprocess.run([binaries.path("kubectl"), f"--kubeconfig={cluster.kubeconfig}", "get", "nodes"])
    cluster.down()

All functions and methods raise ClusterError, whose message says what to do.
"""

from hack.cluster.cluster import Cluster
from hack.cluster.errors import ClusterError
from hack.cluster.lifecycle import down, get, up
from hack.cluster.spec import ClusterSpec, NodeSpec, name_nodes, parse_nodes

__all__ = [
    "Cluster",
    "ClusterError",
    "ClusterSpec",
    "NodeSpec",
    "down",
    "get",
    "name_nodes",
    "parse_nodes",
    "up",
]
