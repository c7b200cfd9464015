"""Encryption in transit: the mode that a policy sets, and what it lets pass in plaintext."""

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import AfterValidator, Field

from sovereign_operator.api.v1alpha1.kind import LIST_SET, Model, list_map, rules


class EncryptionMode(StrEnum):
    """The modes of encryption, in order. Sidecars in neighbouring modes can talk to each other."""

    OFF = "Off"
    PERMISSIVE = "Permissive"
    PREFERRED = "Preferred"
    STRICT = "Strict"


def _check_network(text: str) -> str:
    ip_network(text)
    return text


Network = Annotated[
    str,
    AfterValidator(_check_network),
    Field(
        min_length=2,
        max_length=49,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "isCIDR(self) && cidr(self) == cidr(self).masked()",
                    "message": "write a network as CIDR without host bits, such as 10.244.0.0/16 or fd00:10::/48",
                }
            ]
        },
    ),
]
"""Addresses as CIDR without host bits: 10.244.0.0/16, fd00:10::/48, 192.0.2.7/32."""

Port = Annotated[int, Field(ge=1, le=65535)]

Reason = Annotated[str, Field(min_length=1, max_length=1024)]


class PlainDestination(Model):
    """A destination to which pods of the policy send plaintext."""

    network: Network = Field(description="Addresses of pods or of Services. Example: 10.96.14.7/32.")
    ports: tuple[Port, ...] = Field(
        default=(),
        description="TCP ports. Example: [5432]. Empty: all.",
        json_schema_extra=LIST_SET,
        max_length=64,
    )
    reason: Reason = Field(description="Why, for the auditor. Example: database without a sidecar, until 2027-03.")

    @property
    def addresses(self) -> IPv4Network | IPv6Network:
        """The network as a value to compute with."""
        return ip_network(self.network)


class PlainPeer(Model):
    """A peer that may send plaintext to pods of the policy."""

    network: Network = Field(description="Addresses of pods or nodes. Example: 10.244.7.0/24.")
    reason: Reason = Field(description="Why, for the auditor. Example: ingress controller.")

    @property
    def addresses(self) -> IPv4Network | IPv6Network:
        """The network as a value to compute with."""
        return ip_network(self.network)


class PlainPort(Model):
    """A port of the policy's pods that accepts plaintext."""

    port: Port = Field(description="The application's own TCP port. Example: 9090.")
    server_first: bool = Field(
        default=False,
        description="The server speaks first, and clients send plaintext: the sidecar does not wait a second to look "
        "for mutual TLS, so it accepts only plaintext on this port. Name the port in plainDestinations "
        "of its clients' policies, too. A change ends open connections. Default: false.",
    )
    reason: Reason = Field(description="Why, for the auditor. Example: scraped by Prometheus.")


class PlainDatagrams(Model):
    """UDP between pods of the policy and other hosts that passes in Strict."""

    model_config = rules(
        ("!has(self.endPort) || self.endPort >= self.port", "endPort is the last port, and cannot be less than port")
    )

    network: Network = Field(description="Addresses of the other hosts. Example: 10.244.0.0/16.")
    port: Port = Field(description="UDP port of the side that answers, the pod or the other host. Example: 5004.")
    end_port: Port | None = Field(default=None, description="Last port, where it is a range. Example: 5104.")
    reason: Reason = Field(description="Why, for the auditor. Example: voice, encrypted by SRTP.")


class ForcedStep(Model):
    """Permission to take steps without waiting."""

    to: EncryptionMode = Field(description="The mode up to which the operator waits for nothing. Example: Strict.")
    reason: Reason = Field(description="Why, for the auditor. Example: incident 2026-118, plaintext has to stop.")


class EncryptionInTransit(Model):
    """Encryption of the traffic of the policy's pods: mutual TLS 1.3 between their sidecars."""

    model_config = rules(
        (
            "!(self.mode in ['Preferred', 'Strict']) || size(self.clusterNetworks) > 0",
            "name the addresses of your pods and Services in clusterNetworks: what is sent there is encrypted",
        )
    )

    mode: EncryptionMode = Field(
        default=EncryptionMode.OFF,
        description="Off: no sidecar is injected, and existing ones pass all traffic. Permissive: sidecars accept "
        "mutual TLS and plaintext, send plaintext, and count. Preferred: they accept both, and send mutual TLS to "
        "clusterNetworks. Strict: they accept mutual TLS only. Set the mode that you want: the operator "
        "goes there step by step.",
    )
    cluster_networks: tuple[Network, ...] = Field(
        default=(),
        description="The addresses of all pods and Services of the cluster, as CIDRs, of IPv4 and IPv6 if it has both. "
        "Example: [10.244.0.0/16, 10.96.0.0/12]. What is sent elsewhere leaves the cluster and passes as it is.",
        json_schema_extra=LIST_SET,
        max_length=16,
    )
    plain_destinations: tuple[PlainDestination, ...] = Field(
        default=(),
        description="Destinations in clusterNetworks without a sidecar, to which plaintext is sent. The API server and "
        "DNS need not be named.",
        json_schema_extra=list_map("network"),
        max_length=64,
    )
    plain_peers: tuple[PlainPeer, ...] = Field(
        default=(),
        description="Peers that may send plaintext in Strict, for example an ingress controller without a sidecar.",
        json_schema_extra=list_map("network"),
        max_length=64,
    )
    plain_ports: tuple[PlainPort, ...] = Field(
        default=(),
        description="Ports of the policy's pods that accept plaintext in Strict, for example for metrics.",
        json_schema_extra=list_map("port"),
        max_length=64,
    )
    longest_connection_seconds: int | None = Field(
        default=None,
        description="Seconds after which a mutual TLS connection is ended, in use or not, so that its peer has to "
        "show a certificate again. Clients that do not connect again see a failure. A change ends open connections. "
        "Absent, the default: connections end only when a datacentre leaves the policy's trust.",
        ge=60,
        le=2592000,
    )
    plain_datagrams: tuple[PlainDatagrams, ...] = Field(
        default=(),
        description="UDP that passes in Strict, in both directions. All other UDP except DNS is dropped then, as "
        "sidecars encrypt TCP only; before Strict all of it passes.",
        json_schema_extra=list_map("network", "port"),
        max_length=64,
    )
    quiet_seconds: int = Field(
        default=3600,
        description="How long, in seconds, no pod may have accepted plaintext, except what plainPorts and plainPeers "
        "name, before Strict refuses it. Default: 3600, an hour. Choose a longer time than between two runs of a job.",
        ge=1,
        le=2592000,
    )
    forced: ForcedStep | None = Field(
        default=None,
        description="Take steps at once, even if they disconnect pods. Absent, the default: wait, and report for what.",
    )
