"""Which pairs of policy and datacentre cannot be decided, because an object that they rest on cannot be read.

Such an object is neither unchanged nor deleted. Nothing new is granted because of it, and no key is destroyed, as that
cannot be undone. What other objects decide for certain holds all the same.
"""

from dataclasses import replace

from sovereign_operator.core.placement.facts import Facts, Pair
from sovereign_operator.core.placement.site import judge_site


def leaves_open(facts: Facts, pair: Pair) -> bool:
    """Whether a policy may accept a datacentre or not, for all that is known."""
    policy, datacentre = pair
    wanted, place, unread = facts.policies.get(policy), facts.datacentres.get(datacentre), facts.unread
    if wanted is None and policy not in unread.policies:
        return False
    if place is None:
        return datacentre in unread.datacentres
    if place.service_ref.name in unread.services:
        return wanted is None or not wanted.countries or place.country in wanted.countries
    if wanted is None:
        return place.service_ref.name in facts.services
    if not unread.derogations or judge_site(datacentre, policy, facts).accepted:
        return False
    # It may waive any qualification, and nothing else.
    lenient = {policy: wanted.model_copy(update={"qualifications": ()})}
    return judge_site(datacentre, policy, replace(facts, policies=lenient)).accepted
