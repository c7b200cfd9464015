"""Which policy is in effect for a pod, or for a SovereignWorkload."""


def effective_policy(enforced: str | None, named: str | None) -> str | None:
    """Return the policy in effect: the one that the namespace enforces, else the one that the spec names."""
    return named if enforced is None else enforced
