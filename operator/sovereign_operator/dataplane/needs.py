"""What the rules need of a node's kernel: parts of its packet filter, and the least rules that need each.

Most of these are modules. The kernel loads a module when rules first need it, unless the module is not installed, is on
a deny list (``install nf_tables /bin/false``), or modules are locked (``kernel.modules_disabled``). For a part that is
missing, nft says only "No such file or directory" or "Operation not supported", so the agent tries each part by itself.
"""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Final

from sovereign_operator.core.encryption.traffic_rules import Datagrams
from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from sovereign_operator.dataplane import frames, redirect

_PROBES: Final = (Probe(ProbeKind.TCP, 8080), Probe(ProbeKind.HTTP, 8080))
_PEERS: Final = (ip_network("192.0.2.1/32"), ip_network("2001:db8::1/128"))
_OWN: Final = ("192.0.2.2", "2001:db8::2")

INTERFACE: Final = "lo"
"""An interface that each network namespace has."""

_ALL: Final = redirect.rules_of(_PROBES, None, addresses=_OWN)

REDIRECT: Final = redirect.without_sockets(_ALL)
"""Rules with all that those of any pod have, in each mode but Strict."""
STRICT: Final = redirect.without_sockets(
    redirect.rules_of(_PROBES, [Datagrams(peer, range(53, 55)) for peer in _PEERS], _PEERS, _OWN)
)
"""The same for Strict."""
SOCKETS: Final = _ALL
"""The same as REDIRECT, with what refuses connections to ports where nobody listens."""
FRAMES: Final = frames.rules_of([INTERFACE])


INOTIFY_INSTANCES: Final = 5
"""How many inotify instances the Envoy of a sidecar has: one for each file or folder that it watches."""
LEAST_INOTIFY_INSTANCES: Final = INOTIFY_INSTANCES * 110
"""How many the kernel should allow a user, because all sidecars have the same one: by default, a kubelet runs 110 pods.
Linux allows 128 unless the node sets fs.inotify.max_user_instances, and Envoy aborts if it gets none:
https://github.com/envoyproxy/envoy/issues/12383, https://github.com/k0sproject/k0s/issues/8113"""


def _table(chain: str, *rules: str, family: str = "inet") -> str:
    lines = (f"table {family} probe {{", "\tchain probe {", *(f"\t\t{rule}" for rule in (f"type {chain};", *rules)))
    return "\n".join((*lines, "\t}", "}", ""))


_FILTER: Final = "filter hook input priority filter"
_NAT: Final = "nat hook prerouting priority dstnat"

PARTS: Final[Mapping[str, str]] = {
    "nf_tables": "table inet probe { }\n",
    "nft_chain_nat": _table(_NAT),
    "nft_redir": _table(_NAT, "tcp dport 1 redirect to :2"),
    "nft_nat": _table("nat hook postrouting priority srcnat", "snat ip to 192.0.2.1"),
    "nft_fib_inet": _table("filter hook prerouting priority filter", "fib daddr type local accept"),
    "nft_ct": _table(_FILTER, "ct state invalid drop", "ct mark set ct mark | 1"),
    "nft_reject_inet": _table(_FILTER, "meta l4proto tcp reject with tcp reset"),
    "nft_counter": _table(_FILTER, "counter drop"),
    "nft_meta": _table(_FILTER, "meta skuid 1 accept", "meta l4proto tcp accept"),
    "nft_payload": _table(_FILTER, "tcp dport { 1, 2 } accept", "tcp doff 5 @th,160,8 >= 0 drop"),
    "nft_set_hash": "table inet probe { set probe { type inet_proto; flags timeout; }; }\n",
}
"""By the name of the module that has it, the least rules that need a part of the redirect. In newer kernels some of
these are within nf_tables itself."""

SOCKET_PARTS: Final[Mapping[str, str]] = {
    "nft_socket": _table(_NAT, "meta l4proto tcp socket transparent { 0, 1 } accept"),
}
"""The same for SOCKETS."""

FRAME_PARTS: Final[Mapping[str, str]] = {
    "NETFILTER_INGRESS": _table(f'filter hook ingress devices = {{ "{INTERFACE}" }} priority filter', family="netdev"),
    "NETFILTER_EGRESS": _table(f'filter hook egress devices = {{ "{INTERFACE}" }} priority filter', family="netdev"),
}
"""The same for rules about frames, by the option of the kernel's configuration."""
