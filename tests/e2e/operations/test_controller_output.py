"""What the controller shows of itself: its log, its health, its metrics, and the time of what it says."""

import json
from datetime import UTC, datetime

from hack.cluster import Cluster
from hack.install import NAMESPACE
from hack.kubectl import Kubectl, eventually
from tests.e2e.support.observed import condition, leader


def test_its_log_is_json_and_names_decisions(admin: Kubectl) -> None:
    log = admin.run("-n", NAMESPACE, "logs", eventually(lambda: leader(admin), what="a leader"))
    entries = [json.loads(line) for line in log.splitlines()]
    decisions = [entry for entry in entries if "decision" in entry]
    assert {"node", "policy", "accepted", "nodeUID"} <= decisions[0].keys()
    assert {entry["node"] for entry in decisions} >= {"brest-1", "paris-1"}


def test_it_shows_its_health_and_metrics(admin: Kubectl, cluster: Cluster) -> None:
    name = eventually(lambda: leader(admin), what="a leader")
    address = admin.get("pod", name, NAMESPACE)["status"]["podIP"]
    health = cluster.node_exec("nantes-1", ["curl", "--silent", "--fail", f"http://{address}:8080/healthz"])
    assert health.stdout == "ok"
    metrics = cluster.node_exec("nantes-1", ["curl", "--silent", "--fail", f"http://{address}:8080/metrics"]).stdout
    assert 'sovereign_nodes_accepted{policy="secnumcloud"} 2.0' in metrics
    assert "sovereign_leading 1.0" in metrics
    assert "sovereign_guards_broken 0.0" in metrics
    for state, number in {"present": 1, "lost": 0, "replaced": 0}.items():
        assert f'sovereign_datacentre_nodes{{datacentre="brest",state="{state}"}} {number}.0' in metrics


def test_the_time_is_the_servers(admin: Kubectl) -> None:
    """A condition's transition time is the API server's time, to within a minute."""
    admin.delete("sovereigntypolicy", "timed")
    admin.apply(
        {
            "apiVersion": "sovereignty.dev/v1alpha1",
            "kind": "SovereigntyPolicy",
            "metadata": {"name": "timed"},
            "spec": {},
        }
    )
    seen = eventually(lambda: condition(admin, "sovereigntypolicy", "timed", "Ready"), what="a condition")
    admin.delete("sovereigntypolicy", "timed")
    age = datetime.now(UTC) - datetime.fromisoformat(seen["lastTransitionTime"])
    assert abs(age.total_seconds()) < 60
