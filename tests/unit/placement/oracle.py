"""An independent implementation of acceptance: by days in Paris, not by instants.

It shares no code with the core, is slow, and answers only yes or no.
"""

import re
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sovereign_operator.api.v1alpha1.cloud_service import CloudServiceSpec, Qualification
from sovereign_operator.api.v1alpha1.datacentre import DatacentreSpec, NodePool
from sovereign_operator.api.v1alpha1.sovereignty_policy import QualificationDemand
from sovereign_operator.core.placement.facts import Facts, Node


def today_in_paris(now: datetime) -> date:
    """Return the day in Paris."""
    return now.astimezone(ZoneInfo("Europe/Paris")).date()


def accepts_site(facts: Facts, policy_name: str, site: DatacentreSpec) -> bool:
    """Return whether a policy accepts a site."""
    policy = facts.policies[policy_name]
    service = facts.services.get(site.service_ref.name)
    if service is None or service.foreign_laws is None:
        return False
    today = today_in_paris(facts.now)
    return (
        set(service.foreign_laws) <= set(policy.accepted_foreign_laws)
        and (not policy.countries or site.country in policy.countries)
        and (not service.countries or site.country in service.countries)
        and (not policy.technology_origins or service.technology_origin in policy.technology_origins)
        and all(
            is_qualified(service, demand, today) or is_waived(facts, policy_name, site.service_ref.name, demand.scheme)
            for demand in policy.qualifications
        )
    )


def is_qualified(service: CloudServiceSpec, demand: QualificationDemand, today: date) -> bool:
    """Return whether one qualification meets the whole demand today."""
    return any(
        entry.scheme == demand.scheme
        and is_in_force(entry, today)
        and set(demand.activities) <= set(entry.activities or ())
        and (demand.minimum_version is None or _at_least(entry.version, demand.minimum_version))
        for entry in service.qualifications
    )


def is_in_force(entry: Qualification, today: date) -> bool:
    """Return whether the status is Qualified and today is between the two days, both inclusive."""
    starts, ends = entry.valid_from or date.min, entry.valid_until or date.max
    return entry.status.value == "Qualified" and starts <= today <= ends


def is_waived(facts: Facts, policy: str, service: str, scheme: str) -> bool:
    """Return whether two persons agreed on a derogation of the policy from the scheme for the service, for today."""
    today = today_in_paris(facts.now)
    return any(
        (one.spec.policy_ref.name, one.spec.service_ref.name, one.spec.scheme) == (policy, service, scheme)
        and today <= one.spec.until
        and len({one.approval.asked_by, one.approval.approved_by} - {""}) == 2
        and one.approval.generation == one.approval.approved_generation
        for one in facts.derogations.values()
    )


def claims(site: DatacentreSpec, node: Node) -> bool:
    """Return whether a datacentre claims a node with its present uid and labels."""
    by_name = any(entry.name == node.name and entry.uid == node.uid for entry in site.nodes)
    by_selector = bool(site.node_selector and site.node_selector.items() <= node.labels.items())
    return by_name or by_selector or any(is_of_pool(pool, node) for pool in site.node_pools)


def is_of_pool(pool: NodePool, node: Node) -> bool:
    """Return whether a node has the labels of a pool, none of which kubelets write, and one of its providerIDs."""
    keys = [key.partition("/")[0].split(".")[-3:] for key in pool.node_selector]
    forms = [re.escape(form) for form in pool.provider_ids if re.search(r"[^A-Za-z0-9]$", form)]
    return (
        pool.node_selector.items() <= node.labels.items()
        and all(key == ["node-restriction", "kubernetes", "io"] for key in keys)
        and any(re.match(form, node.provider_id, re.IGNORECASE) for form in forms)
    )


def _at_least(version: str | None, minimum: str) -> bool:
    """Compare versions number by number, padded with zeros: 3.2 and 3.10 as (3, 2) and (3, 10)."""
    if version is None:
        return False
    left, right = version.split("."), minimum.split(".")
    length = max(len(left), len(right))
    left += ["0"] * (length - len(left))
    right += ["0"] * (length - len(right))
    return [int(part) for part in left] >= [int(part) for part in right]
