"""Nodes that a Datacentre claims and that do not stand there are findings of ``status``."""

from dataclasses import replace

import pytest

from sovereign_operator.cli.answers.estate import Kept
from sovereign_operator.cli.answers.status import StatusSeen, report_status
from sovereign_operator.core.placement.facts import Facts
from tests import builders
from tests.builders import NOW
from tests.unit.cli.clusters import ALL, BREST, FACTS, LYON, PARIS, estate, without

SEEN = StatusSeen({}, (), (), {})


def found(told: Facts) -> list[str]:
    """Return the findings about datacentres."""
    return [text for text in report_status(SEEN, estate(told), NOW).findings if text.startswith("datacentre ")]


AGAIN = replace(LYON, uid="99999999-0000-4000-8000-000000000009")
BEGUN = "datacentre brest: node lyon-1 that it claims"
TWICE = "lyon-1 is claimed by the datacentres brest and paris, and stands in none of them until only one claims it"
GLOBEX = builders.datacentre(PARIS, LYON, service="globex-west")
MISSING: dict[str, tuple[Facts, list[str]]] = {
    "lost": (without(LYON), [f"{BEGUN} is not in the cluster: kubectl sovereign nodes"]),
    "registered again": (
        replace(FACTS, nodes={**FACTS.nodes, LYON.name: AGAIN}),
        [f"{BEGUN} has registered again with another uid: kubectl sovereign nodes"],
    ),
    "claimed twice": (
        replace(FACTS, datacentres={**FACTS.datacentres, "paris": GLOBEX}),
        [f"datacentre brest: {TWICE}", f"datacentre paris: {TWICE}"],
    ),
    "none": (FACTS, []),
}


@pytest.mark.parametrize(("told", "expected"), MISSING.values(), ids=MISSING.keys())
def test_a_node_that_is_claimed_and_stands_nowhere_is_a_finding_of_its_datacentres(
    told: Facts, expected: list[str]
) -> None:
    assert found(told) == expected


def test_a_datacentre_that_is_not_ready_says_it_once() -> None:
    (text,) = found(without(BREST, LYON))
    assert text.startswith("datacentre brest: no node of this cluster stands here")
    assert text.endswith("2 of spec.nodes not found: no node is called brest-1, no node is called lyon-1")


def test_of_many_missing_nodes_a_finding_has_the_first() -> None:
    there, *gone = (builders.node(f"n{number:02}") for number in range(15))
    (text,) = found(builders.facts(there, datacentres={"brest": builders.datacentre(there, *gone)}))
    assert text.startswith("datacentre brest: 14 nodes that it claims are not in the cluster: n01, n02, ")
    assert text.endswith(", n10 and 4 more: kubectl sovereign nodes")
    sites = {"brest": builders.datacentre(there, *gone), "twin": builders.datacentre(*gone)}
    texts = found(builders.facts(there, *gone, datacentres=sites))
    assert len(texts) == 10 + 1 + 1
    assert texts[10] == "datacentre brest: 4 more nodes that others claim, too: kubectl sovereign nodes"


def test_who_may_not_read_policies_is_told_what_the_operator_wrote() -> None:
    status = {"nodesLost": 1, "lost": ["lyon-1"], "claimedTwice": [{"node": "x", "message": "x is claimed by two"}]}
    seen = replace(SEEN, recorded={("datacentres", "brest"): status | {"nodesClaimedTwice": 1}})
    texts = report_status(seen, estate(known=ALL - {Kept.POLICIES}), NOW).findings
    assert texts == (f"{BEGUN} is not in the cluster: kubectl sovereign nodes", "datacentre brest: x is claimed by two")
