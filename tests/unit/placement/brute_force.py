"""All verdicts, each decided by itself: what `Verdicts` keeps up to date has to be the same."""

from sovereign_operator.core.placement.facts import Facts, Pair
from sovereign_operator.core.placement.site import SiteVerdict, judge_site
from sovereign_operator.core.placement.verdict import NodeVerdict, judge_node


def node_verdicts(facts: Facts) -> dict[tuple[str, str], NodeVerdict]:
    """Return the verdict on every node by every policy."""
    verdicts = {
        (name, policy): judge_node(node, policy, facts)
        for name, node in facts.nodes.items()
        for policy in facts.policies
    }
    return {key: verdict for key, verdict in verdicts.items() if verdict}


def site_verdicts(facts: Facts) -> dict[Pair, SiteVerdict]:
    """Return the verdict on every datacentre by every policy."""
    return {
        Pair(policy, datacentre): judge_site(datacentre, policy, facts)
        for datacentre in facts.datacentres
        for policy in facts.policies
    }


def accepted_nodes(facts: Facts) -> dict[str, tuple[str, ...]]:
    """Return the accepted nodes of each policy, sorted."""
    verdicts = node_verdicts(facts)
    return {
        policy: tuple(sorted(name for name in facts.nodes if verdicts[name, policy].accepted))
        for policy in facts.policies
    }
