"""Who takes away what nodes and pods rest on hears how many there are, and is not kept from it."""

import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from hack import audit_log, estate
from hack.cluster import Cluster
from hack.kubectl import Json, Kubectl, eventually
from tests.documents import REFERENCE, command_blocks
from tests.e2e.support.estate import until_in_force
from tests.e2e.support.manifests import workload
from tests.e2e.support.pages import words_like

POLICY = "in-use"
ON_BREST = {"nodeSelector": {"kubernetes.io/hostname": "brest-1"}}


class InUse(NamedTuple):
    """A namespace with two pods on brest-1 that are held to POLICY, and what statuses count."""

    namespace: str
    pods: int
    """How many pods rest on datacentre brest: those of other tests, too."""


@pytest.fixture(scope="module")
def in_use(admin: Kubectl) -> Iterator[InUse]:
    """Have pods run on brest-1 that a policy of their own holds there."""
    admin.apply(estate.policy(admin, POLICY, technologyOrigins=["EU", "LicensedNonEU"]))
    until_in_force(admin, POLICY)
    namespace = "rests-on-brest"
    admin.run("create", "namespace", namespace)
    admin.run("label", "namespace", namespace, f"sovereignty.dev/enforce={POLICY}")
    admin.apply(workload("Deployment", "app", 2, **ON_BREST), namespace=namespace)
    eventually(lambda: held(admin)["inside"] == 2, seconds=90, what="two pods in the policy's status")

    def settled() -> int | None:
        numbers = {admin.get(*what)["status"].get("pods") for what in (("dctr", "brest"), ("csvc", "armor-snc"))}
        return numbers.pop() if len(numbers) == 1 and min(numbers) >= 2 else None

    yield InUse(namespace, eventually(settled, seconds=90, what="two pods in the datacentre's status"))
    admin.delete("namespace", namespace)
    admin.delete("sovereigntypolicy", POLICY)


def held(admin: Kubectl) -> Json:
    """Return what the policy's status says of pods."""
    found: Json = admin.get("sovereigntypolicy", POLICY)["status"]["pods"]
    return found


def heard_of_deleting(admin: Kubectl, kind: str, name: str) -> str:
    """Return the warnings about an object that would be deleted. Fails if that is refused."""
    done = admin.attempt("delete", kind, name, "--dry-run=server")
    assert done.returncode == 0, done.stderr
    return done.stderr


def heard_of_patching(admin: Kubectl, kind: str, name: str, **spec: object) -> str:
    """Return the warnings about an object whose spec would be patched; None removes a field. Fails if it is refused."""
    patch = json.dumps({"spec": spec})
    done = admin.attempt("patch", kind, name, "--type=merge", "-p", patch, "--dry-run=server")
    assert done.returncode == 0, done.stderr
    return done.stderr


def qualifications(admin: Kubectl, **changed: object) -> list[Json]:
    """Return the qualifications of service armor-snc, with other fields in the first; None: without the field."""
    first, *others = admin.get("csvc", "armor-snc")["spec"]["qualifications"]
    return [{key: value for key, value in (first | changed).items() if value is not None}, *others]


@pytest.mark.every_kubernetes
def test_who_deletes_or_moves_a_datacentre_hears_of_its_nodes(admin: Kubectl) -> None:
    """Whether pods rest on it or not."""
    heard = heard_of_deleting(admin, "datacentre", "brest")
    assert "datacentre brest is in use and is deleted: 1 node(s) stand there" in heard
    heard = heard_of_patching(admin, "datacentre", "brest", country="DE")
    assert "datacentre brest is in use and is moved from FR to DE: 1 node(s) stand there" in heard
    heard = heard_of_deleting(admin, "cloudservice", "armor-snc")
    assert "service armor-snc is in use and is deleted: 1 node(s) stand in its 1 datacentre(s)" in heard


def test_who_deletes_a_fact_hears_what_rests_on_it(admin: Kubectl, in_use: InUse) -> None:
    datacentre = heard_of_deleting(admin, "datacentre", "brest")
    assert "datacentre brest is in use and is deleted: 1 node(s) stand there" in datacentre
    assert f"and {in_use.pods} pod(s) rest on it" in datacentre
    (block,) = (found for found in command_blocks(REFERENCE / "operations.md") if "delete datacentre" in found)
    shown = block.partition("\n")[2].replace("2 pod(s)", f"{in_use.pods} pod(s)")
    assert words_like(shown).search(datacentre), datacentre
    service = heard_of_deleting(admin, "cloudservice", "armor-snc")
    assert "service armor-snc is in use and is deleted: 1 node(s) stand in its 1 datacentre(s)" in service
    assert f"and {in_use.pods} pod(s) rest on it" in service
    policy = heard_of_deleting(admin, "sovereigntypolicy", POLICY)
    assert f"policy {POLICY} is in use and is deleted: 2 pod(s) are held to it, and 2 node(s) may host them" in policy


def test_who_empties_a_datacentre_hears_what_rests_on_it(admin: Kubectl, in_use: InUse) -> None:
    elsewhere = {"site.node-restriction.kubernetes.io/name": "brest"}
    cases: tuple[tuple[Json, str], ...] = (
        ({"nodes": [], "nodeSelector": elsewhere}, "left with 0 of 1 nodes in spec.nodes"),
        ({"nodes": None, "nodeSelector": elsewhere}, "left with 0 of 1 nodes in spec.nodes"),
        ({"serviceRef": {"name": "armor-public"}}, "moved from service armor-snc to armor-public"),
        ({"country": "DE"}, "moved from FR to DE"),
        ({"nodes": [{"name": "brest-9", "uid": "1"}]}, "given other nodes in spec.nodes"),
        ({"nodes": [{"name": "brest-1", "uid": "mistyped"}]}, "given other uids in spec.nodes"),
    )
    for spec, words in cases:
        heard = heard_of_patching(admin, "datacentre", "brest", **spec)
        assert f"datacentre brest is in use and is {words}: 1 node(s)" in heard
        assert f"and {in_use.pods} pod(s) rest on it" in heard
    here = admin.get("dctr", "brest")["spec"]["nodes"]
    harmless: tuple[Json, ...] = ({"city": "Brest-Ouest"}, {"nodes": [*here, {"name": "brest-2", "uid": "1"}]})
    for spec in harmless:
        assert "Warning" not in heard_of_patching(admin, "datacentre", "brest", **spec)


def test_who_takes_a_qualification_away_hears_what_rests_on_it(admin: Kubectl, in_use: InUse) -> None:
    _, hds = qualifications(admin)
    cases: tuple[tuple[Json, str], ...] = (
        ({"qualifications": []}, "by SecNumCloud (secnumcloud), HDS (hds)"),
        ({"qualifications": None}, "by SecNumCloud (secnumcloud), HDS (hds)"),
        ({"qualifications": [hds]}, "by SecNumCloud (secnumcloud)"),
        ({"qualifications": qualifications(admin, status="Suspended")}, "by SecNumCloud (secnumcloud)"),
        ({"qualifications": qualifications(admin, validUntil="2026-12-01")}, "by SecNumCloud (secnumcloud)"),
        ({"foreignLaws": None}, "left without spec.foreignLaws"),
        ({"foreignLaws": ["US"]}, "within reach of more foreign laws"),
        ({"technologyOrigin": "NonEU"}, "of another spec.technologyOrigin"),
        ({"countries": ["DE"]}, "in fewer spec.countries"),
        ({"nodeForm": {"regions": ["elsewhere"]}}, "given another spec.nodeForm"),
        ({"qualifications": qualifications(admin, version=None)}, "left without the version of SecNumCloud"),
        ({"qualifications": qualifications(admin, version="3.1")}, "left without the version of SecNumCloud"),
        ({"qualifications": qualifications(admin, validFrom="2039-01-01", validUntil="2040-01-01")}, "by SecNumCloud"),
    )
    for spec, words in cases:
        heard = heard_of_patching(admin, "cloudservice", "armor-snc", **spec)
        assert "service armor-snc is in use and is " in heard
        assert words in heard
        assert f"and {in_use.pods} pod(s) rest on it" in heard
    for harmless in (
        {"notes": "renewed"},
        {"qualifications": qualifications(admin, validUntil="2040-01-01", decision="EX-999")},
        {"qualifications": qualifications(admin, validUntil=None)},
        {"qualifications": qualifications(admin, version="3.3")},
        {"qualifications": qualifications(admin, id="renewed", decision="EX-999", validUntil="2040-01-01")},
        {"countries": ["FR", "DE"]},
    ):
        assert "Warning" not in heard_of_patching(admin, "cloudservice", "armor-snc", **harmless)


def test_who_loosens_a_policy_hears_how_many_pods_are_held_to_it(admin: Kubectl, in_use: InUse) -> None:
    del in_use
    cases: dict[str, Json] = {
        "countries": {"countries": []},
        "countries, spec.acceptedForeignLaws": {"countries": ["FR", "US"], "acceptedForeignLaws": ["US"]},
        "technologyOrigins": {"technologyOrigins": None},
        "qualifications": {"qualifications": [{"scheme": "SecNumCloud", "minimumVersion": "3.1"}]},
        "nodeEvidence": {"nodeEvidence": "SelfAsserted"},
    }
    for field, spec in cases.items():
        heard = heard_of_patching(admin, "sovereigntypolicy", POLICY, **spec)
        assert f"demands less in spec.{field}: 2 pod(s) are held to it" in heard
    assert "demands less in spec.qualifications" in heard_of_patching(
        admin, "sovereigntypolicy", POLICY, qualifications=[{"scheme": "SecNumCloud"}]
    )
    stricter = [{"scheme": "SecNumCloud", "minimumVersion": "10.0"}]
    for harmless in ({"technologyOrigins": ["EU"]}, {"gracePeriodSeconds": 0}, {"qualifications": stricter}):
        assert "Warning" not in heard_of_patching(admin, "sovereigntypolicy", POLICY, **harmless)


def test_what_nothing_rests_on_may_go_without_a_word(admin: Kubectl) -> None:
    unused = {"metadata": {"name": "unused"}, "apiVersion": "sovereignty.dev/v1alpha1"}
    selector = {"site.node-restriction.kubernetes.io/name": "nowhere"}
    site = {"serviceRef": {"name": "unused"}, "country": "FR", "nodeSelector": selector}
    objects = (
        unused | {"kind": "CloudService", "spec": {"provider": "P", "service": "S"}},
        unused | {"kind": "Datacentre", "spec": site},
        unused | {"kind": "SovereigntyPolicy", "spec": {"countries": ["DE"]}},
    )
    admin.apply(*objects)
    for kind in ("cloudservice", "datacentre", "sovereigntypolicy"):
        done = admin.attempt("delete", kind, "unused")
        assert (done.returncode, done.stderr) == (0, "")


def test_the_audit_log_has_the_warning(admin: Kubectl, cluster: Cluster, in_use: InUse) -> None:
    del in_use
    begun = audit_log.position(cluster)
    heard_of_deleting(admin, "datacentre", "brest")
    eventually(
        lambda: any(
            "datacentre brest is in use" in entry.get("annotations", {}).get(audit_log.VIOLATIONS, "")
            for entry in audit_log.entries(cluster, begun)
        ),
        what="the warning in the audit log",
    )
