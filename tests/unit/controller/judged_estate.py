"""A small estate whose pods are judged: one accepted node, one that is refused, and a policy that encrypts."""

from typing import Any, cast

from sovereign_operator.controller.reconcile import pod_counts
from sovereign_operator.controller.state import ControllerState
from sovereign_operator.core import names
from tests.unit import states
from tests.unit.states import Json

WARD = "ward"
PLACED = {names.PLACED_LABEL: "hds"}


def _named(name: str, **more: Any) -> Json:
    return {"name": name, "uid": f"uid-of-{name}", "generation": 1, "resourceVersion": "1"} | more


def namespace(name: str = WARD, **labels: str) -> Json:
    """Return a namespace with labels under our prefix."""
    return {"metadata": _named(name, labels={f"sovereignty.dev/{key}": value for key, value in labels.items()})}


def policy(name: str, **spec: Any) -> Json:
    """Return a policy that accepts brest-1 and not paris-1."""
    demands = {"countries": ["FR"]} | spec
    return {"apiVersion": "sovereignty.dev/v1alpha1", "kind": "SovereigntyPolicy", "metadata": _named(name)} | {
        "spec": demands
    }


def pod(name: str, node: str = "", labels: dict[str, str] | None = None, *, where: str = WARD, **more: Any) -> Json:
    """Return a pod of the Deployment ``app``, if its name is one of such a pod."""
    owner, _, _ = name.rpartition("-")
    controlled: Json = (
        {"ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": owner, "controller": True}]}
        if owner
        else {}
    )
    return {
        "metadata": _named(name, namespace=where, labels=labels or {}, **controlled),
        "spec": {"containers": [{"name": "app"}]} | ({"nodeName": node} if node else {}),
        "status": {"phase": "Running"},
    } | more


def estate(*pods: Json, namespaces: tuple[Json, ...] = (), policies: tuple[Json, ...] = ()) -> ControllerState:
    """Return a controller that has observed all this, and judged the nodes."""
    service = {"provider": "Armor", "service": "SNC", "countries": ["FR", "DE"], "foreignLaws": []}
    sites = {"brest": "FR", "berlin": "DE"}
    declared = {"brest": "brest-1", "berlin": "paris-1"}
    state = states.controller(
        {
            "cloudservices": [{"metadata": _named("armor"), "spec": service}],
            "datacentres": [
                {
                    "metadata": _named(site),
                    "spec": {
                        "serviceRef": {"name": "armor"},
                        "country": country,
                        "nodes": [{"name": declared[site], "uid": f"uid-of-{declared[site]}"}],
                    },
                }
                for site, country in sites.items()
            ],
            "nodes": [{"metadata": _named(node, labels={}), "spec": {}} for node in declared.values()],
            "sovereigntypolicies": policies,
            "namespaces": namespaces,
            "pods": pods,
        }
    )
    # No task runs that could watch more.
    state.mirrors.follow_pods = lambda wanted: []  # type: ignore[method-assign]  # noqa: ARG005
    for found in policies:
        state.triggers.kind_changed("sovereigntypolicies", states.key_of(found))
    states.decide(state)
    pod_counts.count_outdated(state)
    return state


def change(state: ControllerState, plural: str, *objects: Json) -> None:
    """Have the controller observe other objects of a kind in place of all former ones, and count again."""
    kinds = cast("dict[str, Any]", state.mirrors.kinds)
    keys = {*kinds[plural], *map(states.key_of, objects)}
    kinds[plural] = {states.key_of(obj): [obj] for obj in objects}
    for key in sorted(keys):
        state.triggers.kind_changed(plural, key)
    states.decide(state)
    pod_counts.count_outdated(state)
