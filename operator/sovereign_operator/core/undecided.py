"""Of which pairs of policy and datacentre can nothing be said, as an object that they rest on cannot be read?

Such an object is neither what it was nor gone. Nothing new follows from it, and nothing is taken away for it: a key
that is destroyed cannot be had back. Whatever other objects say for certain holds all the same.
"""

from dataclasses import dataclass

from sovereign_operator.core.facts import Facts

Names = frozenset[str]


@dataclass(frozen=True)
class Unread:
    """The names of objects that exist and cannot be read. Facts do not have them."""

    services: Names = frozenset()
    datacentres: Names = frozenset()
    policies: Names = frozenset()

    def leaves_open(self, facts: Facts, policy: str, datacentre: str) -> bool:
        """Whether a policy may accept a datacentre or not, for all that is known."""
        wanted, place = facts.policies.get(policy), facts.datacentres.get(datacentre)
        if wanted is None and policy not in self.policies:
            return False
        if place is None:
            return datacentre in self.datacentres
        if place.service_ref.name in self.services:
            return wanted is None or not wanted.countries or place.country in wanted.countries
        return wanted is None and place.service_ref.name in facts.services
