"""Which pairs of policy and datacentre cannot be decided, because an object that they rest on cannot be read.

Such an object is neither unchanged nor deleted. Nothing new is granted because of it, and no key is destroyed, as that
cannot be undone. What other objects decide for certain holds all the same.
"""

from sovereign_operator.core.placement.facts import Facts, Pair


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
    return wanted is None and place.service_ref.name in facts.services
