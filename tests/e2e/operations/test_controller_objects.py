"""What the controller writes to others' objects, takes back, and leaves alone."""

import json

from hack.kubectl import Kubectl, eventually
from tests.e2e.support.guards import without_bindings
from tests.e2e.support.manifests import pod, sovereign, workload
from tests.e2e.support.observed import audit, condition
from tests.e2e.support.spaces import Space


def test_what_is_taken_out_of_a_template_goes_and_what_others_change_comes_back(admin: Kubectl, space: Space) -> None:
    namespace = space()
    template = {"kind": "Deployment", "spec": workload("Deployment", "app")["spec"]}
    template["spec"]["minReadySeconds"] = 1
    admin.apply(sovereign("app", template=template), namespace=namespace)
    eventually(lambda: admin.get("deployment", "app", namespace)["spec"]["minReadySeconds"] == 1, what="the workload")
    admin.run("-n", namespace, "scale", "deployment/app", "--replicas=1")
    eventually(lambda: admin.get("deployment", "app", namespace)["spec"]["replicas"] == 2, what="two replicas again")
    del template["spec"]["minReadySeconds"]
    admin.apply(sovereign("app", template=template), namespace=namespace)
    eventually(
        lambda: "minReadySeconds" not in admin.get("deployment", "app", namespace)["spec"], what="the field gone"
    )


def test_a_misspelt_field_of_a_template_is_refused_in_words(admin: Kubectl, space: Space) -> None:
    """The API server reports such a field as an internal error."""
    namespace = space()
    template = {"kind": "Deployment", "spec": {**workload("Deployment", "app")["spec"], "replica": 3}}
    admin.apply(sovereign("app", template=template), namespace=namespace)
    accepted = eventually(lambda: condition(admin, "swl", "app", "Accepted", namespace), what="an answer")
    assert (accepted["status"], accepted["reason"]) == ("False", "RefusedByServer")
    assert ".spec.replica: field not declared in schema" in accepted["message"]


def test_one_that_cannot_be_carried_out_is_in_nobodys_way(admin: Kubectl, space: Space) -> None:
    namespace = space()
    admin.apply(workload("Deployment", "app"), namespace=namespace)
    reference = {"kind": "Deployment", "name": "app"}
    admin.apply(sovereign("first", policy="hds", workloadRef=reference), namespace=namespace)
    eventually(
        lambda: condition(admin, "swl", "first", "Accepted", namespace)["reason"] == "PolicyConflict", what="a conflict"
    )
    admin.apply(sovereign("second", workloadRef=reference), namespace=namespace)
    eventually(lambda: condition(admin, "swl", "second", "Ready", namespace)["status"] == "True", what="ready")
    admin.apply(sovereign("third", workloadRef=reference), namespace=namespace)
    taken = eventually(lambda: condition(admin, "swl", "third", "Accepted", namespace), what="an answer")
    assert taken["reason"] == "AlreadyTaken"
    assert "second" in taken["message"]


def test_it_takes_away_what_others_forged_under_its_prefix(admin: Kubectl, space: Space) -> None:
    namespace = space()
    admin.create(pod("one"), namespace)
    eventually(lambda: "decision-id" in audit(admin.get("pod", "one", namespace)), what="annotations of the operator's")
    forged = [f"audit.sovereignty.dev/{word}=by me" for word in ("auditor", "verdict")]
    with without_bindings(admin, "sovereignty-guard-every-pod"):
        forge = ("-n", namespace, "annotate", "pod", "one", "--overwrite", *forged)
        eventually(lambda: admin.run(*forge), seconds=20, what="forgery without the guard")
    said = eventually(
        lambda: "auditor" not in (seen := audit(admin.get("pod", "one", namespace))) and seen,
        what="annotations of the operator's alone",
    )
    assert said["verdict"].startswith("accepted")
    with without_bindings(admin, "sovereignty-guard-nodes"):
        annotate = ("annotate", "node", "brest-1", "verdict.sovereignty.dev/forged=accepted")
        eventually(lambda: admin.run(*annotate), seconds=20, what="forgery without the guard")
    eventually(
        lambda: "verdict.sovereignty.dev/forged" not in admin.get("node", "brest-1")["metadata"]["annotations"],
        what="the forged verdict gone",
    )


def test_it_leaves_no_finalizers_and_no_state(admin: Kubectl, space: Space) -> None:
    namespace = space()
    admin.apply(
        workload("Deployment", "app"),
        sovereign("app", workloadRef={"kind": "Deployment", "name": "app"}),
        namespace=namespace,
    )
    eventually(lambda: condition(admin, "swl", "app", "Ready", namespace)["status"] == "True", what="ready")
    kinds = "cloudservices,datacentres,derogations,sovereigntypolicies,sovereignworkloads"
    for obj in admin.list(f"{kinds},nodes,namespaces,deployments,pods"):
        text = json.dumps({**obj["metadata"], "managedFields": None})
        assert "kopf" not in text, obj["metadata"]["name"]
        ours = [entry for entry in obj["metadata"].get("finalizers", ()) if "sovereignty" in entry]
        assert not ours, obj["metadata"]["name"]
