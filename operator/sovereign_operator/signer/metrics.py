"""What /metrics shows of the signer."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

CERTIFICATES: Final = Counter(
    "sovereign_certificates", "Certificates issued, by policy and datacentre.", ["policy", "datacentre"]
)
DENIED: Final = Counter("sovereign_certificate_requests_denied", "Requests denied for good, by reason.", ["reason"])
TOKENS_REFUSED: Final = Counter(
    "sovereign_tokens_refused", "Requests of sidecars that were refused because of their token."
)
WAITING: Final = Gauge("sovereign_certificate_requests_waiting", "Requests that are not answered yet.")
NODES_CROWDED: Final = Gauge(
    "sovereign_certificate_requests_crowded_nodes",
    "Nodes with more waiting requests than the signer keeps (500 for a node, 10,000 in all); it reads the rest once "
    "some are answered.",
)
OLDEST: Final = Gauge(
    "sovereign_certificate_requests_oldest_timestamp_seconds",
    "When the oldest waiting request was created, Unix time; 0 if none waits.",
)
ISSUE_SECONDS: Final = Histogram(
    "sovereign_certificate_issue_seconds",
    "From the creation of a request to its certificate, in whole seconds of the API server's clock.",
    buckets=(1, 2, 5, 10, 30, 60, 300, 1200),
)
AUTHORITY_END: Final = Gauge(
    "sovereign_authority_end_timestamp_seconds",
    "When the certificate authority signs no more, unless the qualification that it rests on is renewed, Unix time.",
    ["policy", "datacentre"],
)
AUTHORITIES_REFUSED: Final = Gauge(
    "sovereign_authorities_refused", "Certificate authorities in Secrets that the signer refuses to use."
)
