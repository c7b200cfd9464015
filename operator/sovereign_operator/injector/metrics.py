"""What /metrics shows of the injector."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

REVIEWS: Final = Counter(
    "sovereign_injector_reviews",
    "Pods asked about, by what became of them: injected, untouched, refused; malformed is no question about a pod, and "
    "late is none that came in time.",
    ["result"],
)
REVIEW_SECONDS: Final = Histogram(
    "sovereign_injector_review_seconds",
    "How long an answer took, waiting for what was changed a moment ago included.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 2, 5),
)
CERTIFICATE_END: Final = Gauge(
    "sovereign_injector_certificate_end_timestamp_seconds",
    "When the certificate that the injector serves with ends, Unix time; 0 before it has one.",
)
AUTHORITY_END: Final = Gauge(
    "sovereign_injector_authority_end_timestamp_seconds",
    "When the authority ends that signs this replica's certificates, Unix time; 0 where somebody gives it one.",
)
