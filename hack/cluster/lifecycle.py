"""Clusters by name: bring them up, find them, take them down."""

from hack.cluster import prerequisites
from hack.cluster.cluster import Cluster
from hack.cluster.errors import ClusterError
from hack.cluster.kind import KindCluster, can_run_kind
from hack.cluster.local import LocalCluster, take_down
from hack.cluster.spec import NEWEST_KUBERNETES, Backend, ClusterSpec, check_spec
from hack.cluster.state import State, allocate, load


def up(spec: ClusterSpec) -> Cluster:
    """Return a running cluster that matches the specification; create or repair it if needed.

    Raises ClusterError if that fails, or if a cluster of that name exists with other nodes, another backend, other
    addresses or another Kubernetes.
    """
    check_spec(spec)
    state = load(spec.name)
    if state is None:
        older = spec.kubernetes not in {None, NEWEST_KUBERNETES}
        backend = spec.backend or ("local" if older else choose_backend())
        if backend == "local":
            prerequisites.check()
        elif older:
            raise ClusterError(
                f"kind's images have the Kubernetes of its own release: for {spec.kubernetes} use --backend local"
            )
        state = allocate(spec, backend)
    if (
        (state.nodes, state.dual_stack) != (spec.nodes, spec.dual_stack)
        or spec.backend not in {None, state.backend}
        or spec.kubernetes not in {None, state.kubernetes}
    ):
        raise ClusterError(
            f"cluster {spec.name} exists with other nodes, another backend, other addresses or another Kubernetes: "
            "take it down first, or use another name"
        )
    cluster = _open(state)
    cluster.ensure_up()
    return cluster


def get(name: str) -> Cluster | None:
    """Return the cluster of that name, of which parts may not run; None if there is none."""
    state = load(name)
    return _open(state) if state else None


def down(name: str) -> bool:
    """Remove a cluster, complete or not; return whether there was one."""
    state = load(name)
    if state is None:
        return False
    if state.backend == "local":
        take_down(state)
    else:
        KindCluster(state).down()
    return True


def choose_backend() -> Backend:
    """Return kind where it can run, else local."""
    return "kind" if can_run_kind() else "local"


def _open(state: State) -> LocalCluster | KindCluster:
    return LocalCluster(state) if state.backend == "local" else KindCluster(state)
