"""What /metrics shows of the injector."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

REVIEWS: Final = Counter(
    "sovereign_injector_reviews",
    "Reviews by result: injected, written (a nodeSelector or a requester), untouched, refused; malformed if an API "
    "server sends no such request, late if it did not arrive in time.",
    ["result"],
)
REVIEW_SECONDS: Final = Histogram(
    "sovereign_injector_review_seconds",
    "How long a review took, in seconds, including the wait for a namespace that was labelled a moment ago.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 2, 5),
)
CERTIFICATE_END: Final = Gauge(
    "sovereign_injector_certificate_end_timestamp_seconds",
    "When the injector's serving certificate ends, Unix time; 0 before it has one.",
)
AUTHORITY_END: Final = Gauge(
    "sovereign_injector_authority_end_timestamp_seconds",
    "When the certificate authority of the serving certificate ends, Unix time; 0 if the replica is given its "
    "certificate.",
)
