"""The signer's metrics. What the signer counts in the middle of a call to the API server is counted here in its way."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, cast

from sovereign_operator.core.identity.request import Issue, Request
from sovereign_operator.core.identity.request_reasons import Denial
from sovereign_operator.core.identity.trust_window import SigningTime
from sovereign_operator.core.placement.facts import Pair
from sovereign_operator.signer import issuing, metrics
from sovereign_operator.signer.reconcile import authorities
from sovereign_operator.signer.state import AuthoritiesKey, SignerState, SigningAuthority
from tests.monitoring import common
from tests.monitoring.days import APPLICATIONS, POLICIES, SUSPENDED
from tests.unit import states

RENEWAL_MINUTES: Final = 20
"""How often one of all pods renews its certificate."""
DENIED: Final = range(205, 212)
"""The minutes in which requests come for pods that are gone, as their namespace was rolled out."""


def signer(now: datetime) -> SignerState:
    state = states.signer({})
    state.api = cast("Any", SimpleNamespace(clock=SimpleNamespace(now=lambda: now)))
    return state


def show_ends(state: SignerState, days_left: dict[Pair, float]) -> None:
    """Show how long the authorities sign."""
    for pair, days in days_left.items():
        end = state.api.clock.now() + timedelta(days=days)
        state.signing_authorities[pair] = SigningAuthority("authority", cast("Any", None), SigningTime(end, end))
    authorities._show_ends(state)  # noqa: SLF001


def issue(state: SignerState, policy: str, datacentre: str) -> None:
    """Count a certificate as the signer does once it is written."""
    now = state.api.clock.now()
    asked = Request("ns", "r", "u", "pod", "u", "default", "u", "node", "u", timedelta(days=1))
    issued = Issue(policy, datacentre, now, now + timedelta(days=1), now + timedelta(hours=20))
    signed = issuing.SignedCertificate(b"", cast("Any", "note"), 1, "spiffe://x", "authority")
    issuing.record(state, asked, issued, signed, pod=None, since=now - timedelta(seconds=2))


def show_morning(now: datetime, minute: int) -> None:
    """Show the morning at one minute."""
    state = signer(now)
    ends = {Pair("secnumcloud", "brest"): 411.9, Pair("hds", "brest"): 22.9, Pair("hds", "paris"): 364.5}
    if minute < SUSPENDED:
        ends[Pair("secnumcloud", "lyon")] = 411.9
    show_ends(state, ends)
    if minute % RENEWAL_MINUTES == 0:
        issue(state, "secnumcloud", "brest")
        issue(state, "hds", "brest")
    for application in APPLICATIONS:
        if application.moves == minute:
            for _ in range(application.replicas if application.name != "viewer" else 1):
                issue(state, POLICIES[application.namespace], "brest")
    if minute in DENIED:
        metrics.DENIED.labels(Denial.POD_GONE.value).inc()
    moving = sum(application.replicas for application in APPLICATIONS if 0 <= application.moves - minute < 3)
    metrics.WAITING.set(moving)
    metrics.OLDEST.set(now.timestamp() - 60 if moving else 0)
    common.lead(leads=True)
    common.reconcile(AuthoritiesKey())


def show_bad_day(now: datetime) -> None:
    """Show all that the alerts are about."""
    state = signer(now)
    show_ends(state, {Pair("hds", "brest"): 0.5})
    issue(state, "hds", "brest")
    metrics.DENIED.labels(Denial.POD_GONE.value).inc()
    metrics.TOKENS_REFUSED.inc()
    metrics.AUTHORITIES_REFUSED.set(1)
    metrics.WAITING.set(3)
    metrics.OLDEST.set(now.timestamp() - 1000)
    common.lead(leads=True)
    common.reconcile(AuthoritiesKey(), failures=2)
