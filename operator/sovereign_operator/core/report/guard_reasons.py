"""Why a guard of the chart does not count as installed."""

from typing import Final

from sovereign_operator.core.report.reason import GUARD_EVENT, WORKLOAD, Reason

PUT_BACK: Final = "`helm upgrade` restores it"


class GuardReason(Reason):
    """Why a guard does not count as installed: the reason of Events, and of the condition Enforced."""

    GUARDS_BROKEN = (
        "GuardsBroken",
        WORKLOAD(
            "Enforced False",
            "admission policies or webhooks of the chart are missing, or differ from what the chart installed",
            "a cluster admin restores them: see [Events about guards](#events-about-guards)",
        ),
        GUARD_EVENT("a guard is missing: the API server does not check what it guards", PUT_BACK),
        GUARD_EVENT(
            "a guard was changed",
            "`kubectl delete` it, then `helm upgrade` at once: an upgrade alone leaves what other clients added, and "
            "fails where they changed a field",
        ),
        GUARD_EVENT("a webhook trusts another certificate authority than the injector's", PUT_BACK),
        GUARD_EVENT(
            "ten minutes after an upgrade, a webhook still trusts no certificate authority: no pod gets a sidecar",
            "`helm upgrade`, with its hooks",
        ),
        GUARD_EVENT(
            "ten minutes after an upgrade or a rollback began, a guard is still that of another version of the chart",
            "run the upgrade or the rollback again",
        ),
    )
    GUARDS_DRIFTED = (
        "GuardsDrifted",
        GUARD_EVENT(
            "a binding also audits; it guards as before",
            "run the `kubectl patch` in the Event: `helm upgrade` does not revert this change",
        ),
    )
