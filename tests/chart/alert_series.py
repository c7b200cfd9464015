"""The metrics of a healthy installation, in promtool's notation."""

from collections.abc import Mapping

MINUTES = 80
"""How long a case lasts: longer than any rule looks back. It is evaluated at its end, and time begins at 0."""
NOW = MINUTES * 60
DAY = 86400

Series = Mapping[str, Mapping[str, str]]
"""By pod and metric, a sample a minute, in promtool's notation."""


def always(value: float) -> str:
    return f"{value}x{MINUTES}"


def since(minutes: int, value: float, before: float | None = 0) -> str:
    """Return a series that changed this many minutes ago. ``before`` is None if it did not exist until then."""
    earlier = MINUTES - minutes
    # In promtool's notation 0x9 are ten samples, but _x9 are nine.
    return f"{f'_x{earlier}' if before is None else f'{before}x{earlier - 1}'} {value}x{minutes}"


def gone(minutes: int, value: float) -> str:
    """Return a series that ended this many minutes ago, as when its pod is gone."""
    return f"{value}x{MINUTES - minutes - 1} stale"


def ends_in(days: float) -> str:
    return always(NOW + days * DAY)


LEADING = "sovereign_leading"
FROZEN = "sovereign_frozen"
UNREADABLE = 'sovereign_unreadable_objects{resource="datacentres"}'
READ_AGAIN = 'sovereign_unreadable_objects{resource="pods"}'
NOT_WRITTEN = 'sovereign_objects_not_written{resource="nodes"}'
GUARDS = "sovereign_guards_broken"
REPEATED = "sovereign_certificates_repeated_total"
REFUSED = "sovereign_authorities_refused"
OLDEST = "sovereign_certificate_requests_oldest_timestamp_seconds"
STARTED = "process_start_time_seconds"
FORMER = 'sovereign_qualification_end_timestamp_seconds{service="armor-snc",scheme="SecNumCloud",id="snc-2023"}'
CURRENT = 'sovereign_qualification_end_timestamp_seconds{service="armor-snc",scheme="SecNumCloud",id="snc-2026"}'
OTHER = 'sovereign_qualification_end_timestamp_seconds{service="armor-snc",scheme="HDS",id="hds"}'
WAIVED = "sovereign_derogation_end_timestamp_seconds"
PILOT, NEXT_PILOT, OTHER_PILOT = (
    f'{WAIVED}{{derogation="{name}",policy="{policy}",service="armor-public",scheme="SecNumCloud"}}'
    for name, policy in (("pilot", "secnumcloud"), ("pilot-2", "secnumcloud"), ("other", "hds"))
)
AUTHORITY = 'sovereign_authority_end_timestamp_seconds{policy="secnumcloud",datacentre="brest"}'
SERVES = "sovereign_injector_certificate_end_timestamp_seconds"
SIGNED_BY = "sovereign_injector_authority_end_timestamp_seconds"
SILENCE = "sovereign_agent_silence_seconds"
LACKS = 'sovereign_agent_node_lacks{what="rules"}'
FAILURES = 'sovereign_redirect_failures_total{reason="rules"}'
STRICT = 'sovereign_encryption_mode{policy="secnumcloud",mode="Strict"}'
BARE = 'sovereign_encryption_pods{policy="secnumcloud",state="bare"}'
LATE = 'sovereign_encryption_pods{policy="secnumcloud",state="late"}'
OPEN = 'sovereign_plaintext_open_connections{policy="secnumcloud"}'
REFUSING = 'sovereign_sidecars_refusing{policy="secnumcloud"}'
SILENT = 'sovereign_silent_agents{policy="secnumcloud"}'
DRIFTED = "sovereign_guards_drifted"
PENDING = 'sovereign_pods_in_scope{namespace="cardio",policy="secnumcloud",place="pending"}'
INSIDE = 'sovereign_pods_in_scope{namespace="cardio",policy="secnumcloud",place="inside"}'
OUTSIDE = 'sovereign_pods_outside{namespace="cardio",policy="secnumcloud",datacentre="lyon",service="hexa-gouv"}'
EXPOSED = 'sovereign_processes_outside{component="signer",process="signer-a",node="paris-1"}'
STRAY = 'sovereign_pods_not_trusted{policy="secnumcloud"}'
NODES = 'sovereign_nodes_accepted{policy="secnumcloud"}'
UNUSED = 'sovereign_nodes_accepted{policy="sovereign-strict"}'
LOST = 'sovereign_datacentre_nodes{datacentre="brest",state="lost"}'
REPLACED = 'sovereign_datacentre_nodes{datacentre="brest",state="replaced"}'
OTHER_AUTHORITY = 'sovereign_authority_end_timestamp_seconds{policy="hds",datacentre="brest"}'

CONTROLLER = {GUARDS: always(0), DRIFTED: always(0), FROZEN: always(0), READ_AGAIN: always(0), STARTED: always(0)}
SIGNER = {FROZEN: always(0), OLDEST: always(0), REFUSED: always(0), STARTED: always(0)}
BOTH_SIGN = {AUTHORITY: ends_in(200), OTHER_AUTHORITY: ends_in(200)}
HEALTHY: Series = {
    "controller-a": {
        **CONTROLLER,
        LEADING: always(1),
        REPEATED: always(2),  # long ago
        FORMER: ends_in(-200),
        CURRENT: ends_in(900),
        OTHER: ends_in(900),
        STRICT: always(1),
        BARE: always(0),
        LATE: always(0),
        REFUSING: always(0),
        SILENT: always(0),
        INSIDE: always(3),
        OUTSIDE: always(0),
        STRAY: always(0),
        NODES: always(2),
        UNUSED: always(0),
        OTHER_PILOT: ends_in(900),
        LOST: always(0),
        REPLACED: always(0),
    },
    "controller-b": {**CONTROLLER, LEADING: always(0), REPEATED: always(0)},
    "signer-a": {**SIGNER, LEADING: always(1), **BOTH_SIGN},
    "signer-b": {**SIGNER, LEADING: always(0), **BOTH_SIGN},
    "injector-a": {SERVES: ends_in(5), SIGNED_BY: ends_in(3000)},
    "injector-b": {SERVES: ends_in(5), SIGNED_BY: ends_in(3000)},
    "agent-a": {SILENCE: always(60), FAILURES: always(0), LACKS: always(0)},
    "agent-b": {SILENCE: always(60), FAILURES: always(3)},  # long ago
}
