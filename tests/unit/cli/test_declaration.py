"""A Datacentre to complete: names and uids are declared, what kubelets say is not."""

import json
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec, NodePool
from sovereign_operator.cli.answers.declaration import declare
from sovereign_operator.cli.answers.estate import Kept
from sovereign_operator.cli.show.declarations import declaration_text
from sovereign_operator.core import names
from sovereign_operator.core.placement.facts import Node
from sovereign_operator.core.placement.membership import REGION_LABEL, ZONE_LABEL
from tests import builders
from tests.unit.cli.clusters import ALL, ARMOR, BREST, FACTS, PARIS, SPARE, estate

UNCLAIMED = builders.facts(BREST, PARIS, SPARE, services=FACTS.services)


def read(text: str) -> dict[str, object]:
    """Read the one document of a text."""
    (document,) = [found for found in yaml.safe_load_all(text) if found]
    assert isinstance(document, dict)
    return document


def test_it_declares_names_and_uids_and_leaves_the_rest_to_a_person() -> None:
    answer = declare(["brest-1", "spare-1", "brest-1"], estate(UNCLAIMED))
    assert read(declaration_text(answer)) == {
        "apiVersion": "sovereignty.dev/v1alpha1",
        "kind": "Datacentre",
        "metadata": {"name": None},
        "spec": {
            "serviceRef": {"name": None},
            "country": None,
            "nodes": [{"name": "brest-1", "uid": BREST.uid}, {"name": "spare-1", "uid": SPARE.uid}],
        },
    }
    assert answer.exit_code == 0


def test_as_it_is_printed_it_is_no_valid_datacentre_and_completed_it_is() -> None:
    text = declaration_text(declare(["spare-1"], estate(UNCLAIMED)))
    with pytest.raises(ValidationError):
        DatacentreSpec.model_validate(read(text)["spec"])
    completed = text.replace("    name:   #", "    name: armor-snc   #").replace("country:   #", "country: FR   #")
    spec = DatacentreSpec.model_validate(read(completed)["spec"])
    assert [(entry.name, entry.uid) for entry in spec.nodes] == [("spare-1", SPARE.uid)]


def test_what_kubelets_say_and_what_fits_it_is_in_comments() -> None:
    lines = declaration_text(declare(["spare-1"], estate(UNCLAIMED))).splitlines()
    said = [line for line in lines if "armor" in line.lower() or "FR" in line]
    assert "      # its kubelet says: region armor-brest-snc, zone a" in said
    assert "    # name: armor-snc   (Armor Cloud SNC Platform: the kubelets say nothing against it)" in said
    assert "  # country: FR   (as the CloudService says)" in said
    assert all(line.lstrip().startswith("#") for line in said)


@pytest.mark.parametrize(
    ("node", "suggested"),
    [
        ("brest-1", ["armor-snc"]),
        ("paris-1", ["globex-west"]),
    ],
)
def test_a_service_is_suggested_only_if_the_core_finds_no_contradiction(node: str, suggested: list[str]) -> None:
    assert [entry.service for entry in declare([node], estate(UNCLAIMED)).suggestions] == suggested


def test_a_service_of_which_no_form_is_known_is_not_suggested() -> None:
    services = {"anything": builders.service(), "armor-snc": ARMOR}
    found = declare(["brest-1"], estate(builders.facts(BREST, services=services)))
    assert [entry.service for entry in found.suggestions] == ["armor-snc"]


def test_nodes_that_say_different_places_are_asked_about() -> None:
    assert "are these nodes at one site?" in declaration_text(declare(["brest-1", "paris-1"], estate(UNCLAIMED)))
    assert "are these nodes at one site?" not in declaration_text(declare(["brest-1"], estate(UNCLAIMED)))


def test_a_node_that_a_datacentre_claims_is_left_out() -> None:
    answer = declare(["brest-1", "spare-1"], estate())
    assert [row.name for row in answer.nodes] == ["spare-1"]
    assert [left.name for left in answer.left_out] == ["brest-1"]
    assert "brest-1 stands in brest already" in declaration_text(answer)
    assert answer.exit_code == 1


def test_without_any_node_left_there_is_no_manifest() -> None:
    text = declaration_text(declare(["brest-1"], estate()))
    assert all(line.startswith("#") for line in text.splitlines())


def test_a_node_that_registered_again_is_to_be_corrected_where_it_is_declared() -> None:
    again = replace(BREST, uid="99999999-0000-4000-8000-000000000009")
    facts = builders.facts(again, services=FACTS.services, datacentres=FACTS.datacentres)
    (left,) = declare(["brest-1"], estate(facts)).left_out
    checked, _, rest = left.next.partition(": ")
    assert checked == "once you have checked that brest-1 is the same machine"
    command, _, patch = rest.partition(" -p ")
    assert command == "kubectl patch datacentre brest --type=json"
    operations = json.loads(patch.strip("'"))
    assert operations == [
        {"op": "test", "path": "/spec/nodes/0/name", "value": "brest-1"},
        {"op": "replace", "path": "/spec/nodes/0/uid", "value": again.uid},
    ]


def test_a_node_that_two_datacentres_claim_is_left_out() -> None:
    twice = {**FACTS.datacentres, "twin": FACTS.datacentres["brest"]}
    (left,) = declare(["brest-1"], estate(replace(FACTS, datacentres=twice))).left_out
    assert "claimed by the datacentres brest and twin" in left.why


def test_who_may_not_read_datacentres_is_warned() -> None:
    answer = declare(["brest-1"], estate(known=ALL - {Kept.DATACENTRES}))
    assert [row.name for row in answer.nodes] == ["brest-1"]
    assert "make sure that none claims these nodes" in declaration_text(answer)


POOL = {builders.POOL_LABEL: "general"}
OF_POOL = tuple(
    builders.node(name, labels={**POOL, "nodepool": "said"}, provider_id=f"aws:///hexa-1{zone}/i-1")
    for name, zone in (("pool-1", "a"), ("pool-2", "b"))
)


def test_a_pool_is_suggested_in_comments_if_the_nodes_share_a_label_that_no_kubelet_writes() -> None:
    text = declaration_text(declare(["pool-1", "pool-2"], estate(builders.facts(*OF_POOL))))
    lines = text.splitlines()
    start = lines.index("  # nodePools:")
    assert lines[start:] == [
        "  # nodePools:",
        "  #   - name: general",
        "  #     nodeSelector:",
        "  #       pool.node-restriction.kubernetes.io/name: general",
        '  #     providerIDs: ["aws:///hexa-1a/", "aws:///hexa-1b/"]   # as the kubelets say',
    ]
    assert "nodePools" not in read(text)["spec"]  # type: ignore[operator]
    confirmed = read("\n".join(line.replace("# ", "", 1) for line in lines[start:]))
    assert [NodePool.model_validate(pool).name for pool in confirmed["nodePools"]] == ["general"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "others",
    [
        pytest.param(
            {"labels": {"nodepool": "said"}, "provider_id": "aws:///hexa-1a/i-2"}, id="only-what-a-kubelet-says"
        ),
        pytest.param(
            {"labels": {builders.POOL_LABEL: "other"}, "provider_id": "aws:///hexa-1a/i-2"}, id="another-pool"
        ),
        pytest.param({"labels": POOL}, id="no-providerID"),
    ],
)
def test_without_what_proves_a_pool_none_is_suggested(others: dict[str, object]) -> None:
    facts = builders.facts(OF_POOL[0], builders.node("pool-2", **others))  # type: ignore[arg-type]
    assert declare(["pool-1", "pool-2"], estate(facts)).pool is None


def test_the_label_of_the_operator_suggests_no_pool() -> None:
    one = builders.node("pool-1", labels={names.NODE_DATACENTRE_LABEL: "brest"}, provider_id="aws:///x/i-1")
    assert declare(["pool-1"], estate(builders.facts(one))).pool is None


def test_a_node_with_the_labels_of_a_pool_that_is_none_of_its_nodes_is_left_out() -> None:
    pools = {"lyon": builders.datacentre(pools=(builders.pool("general", "openstack:///"),))}
    (left,) = declare(["pool-1"], estate(builders.facts(OF_POOL[0], datacentres=pools))).left_out
    assert "has the labels of pool general of lyon" in left.why
    assert "correct providerIDs of the pool" in left.next


TEXTS = st.text() | st.sampled_from(("x\nkind: Secret", "a # b", "\u2028name: x", "'", "\x1b[31m", "---\n"))
NAMES = st.sampled_from(("worker-1", "123", "1e3", "null", "true", "on", "0x1f", "a.b", "y", "1.5", "-", "no"))


@given(NAMES, NAMES, TEXTS, TEXTS, TEXTS)
def test_nothing_that_a_kubelet_says_becomes_a_part_of_it(
    name: str, uid: str, region: str, zone: str, provider: str
) -> None:
    node = Node(name, uid, {REGION_LABEL: region, ZONE_LABEL: zone}, provider)
    form = builders.service(regions=(region,), zones=(zone,), provider_ids=(provider,), provider=provider or "x")
    text = declaration_text(declare([name], estate(builders.facts(node, services={"s": form}))))
    document = read(text)
    assert document["spec"] == {
        "serviceRef": {"name": None},
        "country": None,
        "nodes": [{"name": name, "uid": uid}],
    }
    assert document["metadata"] == {"name": None}
    assert text.isprintable() or all(line.isprintable() for line in text.split("\n"))
