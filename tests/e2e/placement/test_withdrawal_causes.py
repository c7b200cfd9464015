"""What ends an acceptance besides a withdrawal: time, and a node that registers again."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.derogations import approve, derogation, standing
from tests.e2e.support.estate import host_names, labelled, set_qualification
from tests.e2e.support.installation import MALLORY
from tests.e2e.support.shifted_clock import shifted

pytestmark = pytest.mark.usefixtures("changed_estate")

PARIS = ZoneInfo("Europe/Paris")


def test_time_alone_ends_an_acceptance_and_begins_another(admin: Kubectl, mallory: Kubectl, cluster: Cluster) -> None:
    """At midnight in Paris a derogation ends and a qualification begins, without any write."""
    last_day = datetime.now(PARIS).date()
    midnight = datetime.combine(last_day + timedelta(days=1), time.min, PARIS)
    with shifted(admin, cluster) as server:
        admin.apply(_pilot(), derogation("pilot", "pilot", until=last_day.isoformat()))
        approve(mallory, "pilot", MALLORY)
        eventually(lambda: host_names(admin, "pilot") == ["brest-1", "nantes-1"], what="a derogation in force")
        # Each reconciliation of the cluster begins with a request to the API server: the one that this change causes
        # gets the new time.
        server.now = midnight - timedelta(seconds=15)
        set_qualification(admin, "armor-snc", "validFrom", midnight.date().isoformat())
        eventually(lambda: host_names(admin, "pilot") == ["nantes-1"], what="a qualification yet to begin")

        def changed() -> tuple[list[str], datetime] | None:
            hosts = host_names(admin, "pilot")
            return (hosts, server.now) if hosts != ["nantes-1"] else None

        hosts, seen_at = eventually(changed, what="what midnight changes")
        assert hosts == ["brest-1"]
        assert midnight <= seen_at < midnight + timedelta(seconds=10)
        eventually(lambda: labelled(admin, "pilot") == {"brest-1"}, what="the label where it belongs")
        said = admin.get("node", "nantes-1")["metadata"]["annotations"]["verdict.sovereignty.dev/pilot"]
        assert said.startswith("refused")

        eventually(lambda: standing(admin, "pilot") == ("False", "Ended"), what="word of it")
        admin.delete("derogation", "pilot")
        admin.delete("sovereigntypolicy", "pilot")
        eventually(
            lambda: admin.attempt("get", "clusterrole", "sovereignty:host:pilot").returncode,
            what="no role without policy",
        )
        eventually(lambda: not labelled(admin, "pilot"), what="no label without policy")


def test_a_node_that_registers_anew_counts_for_nothing(admin: Kubectl) -> None:
    """The node's machine may now be another one than the declared one."""
    node = admin.get("node", "brest-1")
    admin.run("patch", "datacentre", "brest", "--type=merge", "-p", _declare("brest-1", "00000000-somebody-else"))
    eventually(lambda: "brest-1" not in host_names(admin, "secnumcloud"), what="brest-1 out")

    def verdict() -> str:
        annotations = admin.get("node", "brest-1")["metadata"]["annotations"]
        return str(annotations["verdict.sovereignty.dev/secnumcloud"])

    # The controller writes nodes after roles.
    eventually(lambda: "registered again" in verdict(), what="the verdict on the node")
    admin.run("patch", "datacentre", "brest", "--type=merge", "-p", _declare("brest-1", node["metadata"]["uid"]))
    eventually(lambda: "brest-1" in host_names(admin, "secnumcloud"), what="brest-1 back")


def _pilot() -> Json:
    return {
        "apiVersion": "sovereignty.dev/v1alpha1",
        "kind": "SovereigntyPolicy",
        "metadata": {"name": "pilot"},
        "spec": {
            "countries": ["FR"],
            "technologyOrigins": ["EU"],
            "qualifications": [{"scheme": "SecNumCloud", "minimumVersion": "3.2"}],
        },
    }


def _declare(node: str, uid: str) -> str:
    return f'{{"spec": {{"nodes": [{{"name": "{node}", "uid": "{uid}"}}]}}}}'
