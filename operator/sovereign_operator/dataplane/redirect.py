"""The redirect: rules of the packet filter, in a pod's network namespace, that send its traffic through the sidecar.

They are one transaction for ``nft -f -``, which may be given again at any time: open connections keep their way, and
no packet meets half of them. Of a pod with a sidecar they make this, for IPv4 and IPv6 alike:

- What the application sends by TCP goes to OUTBOUND_PORT, what the pod is sent goes to INBOUND_PORT; both can ask for
  the original destination. What stays within the pod (``lo``) is left alone, and so is the sidecar's own traffic.
- What is sent to the pod's link for another address, or for ``localhost``, goes nowhere.
- REDIRECTED_PORT leads to HEALTH_PORT, and nothing else from outside does.
- Ports of HTTP, HTTPS and gRPC probes lead to the sidecar, which listens there. Ports of TCP probes lead to what is
  probed, without a byte of payload in either direction: whether the port is open can be learned there, nothing else.
- What translation of addresses has missed does not pass. It is decided for the first packet of a connection, and
  conntrack is no fence: there are packets of which it makes nothing (``invalid``), and old entries that a new
  connection can meet. So TCP that enters or leaves by another way than these is refused by a filter as well.
- In Strict nothing passes but TCP of the sidecar, DNS, named datagrams, errors of ICMP, and what finds neighbours in
  IPv6. What of TCP is the sidecar's is said in ownership.py.

Who is the sidecar is told by its UID. It can be taken by whoever has CAP_SETUID, as root in a container has unless it
is dropped, or by a program of the image with the set-user-ID bit, unless privileges may not be escalated; and
CAP_NET_RAW opens packet sockets, which no rule of this family sees. So in earnest the rules bind only containers
without these three, as Pod Security ``restricted`` demands. No pod may set that user as its ``runAsUser``;
an image may have it, which admission does not see: its kubelet reports it, and the condition Encrypted says so. What a
pod is sent goes to its sidecar all the same, unless that user takes the port while the sidecar is away.

A second condition could be the cgroup: ``socket cgroupv2 level N "PATH"`` holds for sockets that were made in that
cgroup or below, which a container can neither leave nor enter, whatever its UID. It is sound, yet it would cost much:
nft resolves the path when rules are loaded, so the cgroup of the sidecar's container, a new one after each restart,
has to be there already, and until the agent has followed, a restarted sidecar meets its own redirect; the path depends
on the runtime's cgroup driver; the agent needs the node's cgroup tree; and before Linux 6.12 levels count from the
root of the hierarchy, whatever the cgroup namespace.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from sovereign_operator.core.encryption.traffic_rules import DNS_PORT, HIGHEST_PORT, Datagrams, Network
from sovereign_operator.core.sidecar.contract import (
    HEALTH_PORT,
    INBOUND_PORT,
    OUTBOUND_PORT,
    REDIRECTED_PORT,
    RESERVED_PORTS,
    UID,
    Probe,
    ProbeKind,
    probe_ports,
)
from sovereign_operator.dataplane import ownership

TABLE: Final = "sovereignty"
"""Name of our table, of family inet. No other table is touched."""


def rules_of(
    probes: Sequence[Probe], datagrams: Sequence[Datagrams] | None, name_servers: Sequence[Network] = ()
) -> str:
    """Return the rules of a pod whose sidecar is told of these probes.

    ``datagrams`` is which may pass, if not all, which None says; ``name_servers`` may be asked in any case. Raises
    ValueError if there are more probes than ports, or if one has a port that there cannot be.
    """
    strict = datagrams is not None
    ports = probe_ports(probes)
    tcp = {port: probe.port for port, probe in ports.items() if probe.kind is ProbeKind.TCP}
    others = sorted(ports.keys() - tcp.keys())
    for target in tcp.values():
        if target in RESERVED_PORTS or not 0 < target <= HIGHEST_PORT:
            raise ValueError(f"no application listens on port {target}, so no probe can lead there")
    chains = {
        "reserved": _refuse_reserved(sorted(ports)),
        "inbound": _redirect_inbound(tcp, others),
        "outbound": _redirect_outbound(),
        "payload": ownership.refuse_payload("reject with tcp reset"),
        "owned": ownership.owned(),
    }
    if datagrams is not None:
        chains["bare"] = ownership.refuse_payload("drop")
        chains["received"] = ownership.received()
        chains["unowned"] = ownership.unowned()
        chains["control"] = _control_messages()
        asked, answer = f"dport {DNS_PORT} ct direction original", f"sport {DNS_PORT} ct direction reply"
        chains["datagrams_in"] = _datagrams("saddr", datagrams, answer, name_servers)
        chains["datagrams_out"] = _datagrams("daddr", datagrams, asked, name_servers)
    chains["enter"] = _let_enter(tcp, others, strict=strict)
    chains["greeting"] = _refuse_greeting(tcp)
    chains["leave"] = _let_leave(tcp, strict=strict)
    # Added and deleted first: a table is only complemented otherwise, and deleting one that is not there is an error.
    lines = [f"add table inet {TABLE}", f"delete table inet {TABLE}", f"table inet {TABLE} {{"]
    blocks = {f"set {ownership.SETTLING}": ownership.settling_set()}
    blocks |= {f"chain {name}": rules for name, rules in chains.items()}
    for name, rules in blocks.items():
        lines += [f"\t{name} {{", *(f"\t\t{rule}" for rule in rules), "\t}"]
    return "\n".join((*lines, "}", ""))


def _refuse_reserved(probed: Sequence[int]) -> Iterator[str]:
    """Let nobody outside reach the sidecar, but for what leads there by intent.

    Only what begins a connection is looked at: the application may have bound such a port to send from it.
    """
    reserved = f"{RESERVED_PORTS.start}-{RESERVED_PORTS[-1]}"
    yield "type filter hook prerouting priority raw; policy accept;"
    yield (
        f'iifname != "lo" tcp dport {reserved} tcp dport != {_set(REDIRECTED_PORT, *probed)}'
        " tcp flags & (syn | ack) == syn drop"
    )


def _redirect_inbound(tcp: dict[int, int], others: Sequence[int]) -> Iterator[str]:
    yield "type nat hook prerouting priority dstnat; policy accept;"
    yield 'iifname "lo" return'
    # The kernel would refuse these, were they not redirected before it looks. What the sidecar takes goes on to where
    # it was sent: to what listens on localhost alone, or to anywhere else.
    yield "ip daddr 127.0.0.0/8 drop"
    yield "meta l4proto tcp fib daddr type != local drop"
    yield f"tcp dport {REDIRECTED_PORT} redirect to :{HEALTH_PORT}"
    if others:
        yield f"tcp dport {_set(*others)} return"
    for port, target in tcp.items():
        yield f"tcp dport {port} redirect to :{target}"
    yield f"meta l4proto tcp redirect to :{INBOUND_PORT}"


def _redirect_outbound() -> Iterator[str]:
    # The name of this priority, dstnat, is refused here.
    yield "type nat hook output priority -100; policy accept;"
    yield 'oifname "lo" return'
    yield f"meta skuid {UID} return"
    yield f"meta l4proto tcp redirect to :{OUTBOUND_PORT}"


def _let_enter(tcp: dict[int, int], others: Sequence[int], *, strict: bool) -> Iterator[str]:
    yield "type filter hook input priority filter; policy accept;"
    # What connects to these directly, from within, would have the sidecar call itself without end.
    direct = f"tcp dport {_set(OUTBOUND_PORT, INBOUND_PORT)} ct status & dnat == 0"
    yield f'iifname "lo" {direct} reject with tcp reset'
    yield 'iifname "lo" accept'
    yield ownership.forget()
    for port in tcp:
        yield f"meta l4proto tcp ct original proto-dst {port} ct direction original goto payload"
    yield "meta l4proto tcp ct state invalid drop"
    exceptions = f" tcp dport != {_set(*others)}" if others else ""
    yield f"meta l4proto tcp{exceptions} ct direction original ct status & dnat == 0 drop"
    if strict:
        # Whatever is not TCP for sure: of some packets it cannot be told what they carry.
        yield "meta l4proto tcp goto received"
        yield "goto datagrams_in"


def _refuse_greeting(tcp: dict[int, int]) -> Iterator[str]:
    """Refuse payload that a TCP probe is sent: here, so that the application hears of it."""
    yield "type filter hook output priority filter; policy accept;"
    for port in tcp:
        yield f'oifname != "lo" meta l4proto tcp ct original proto-dst {port} ct direction reply goto payload'


def _let_leave(tcp: dict[int, int], *, strict: bool) -> Iterator[str]:
    # Not the hook output: what is redirected there seems to leave, until it is routed again.
    yield "type filter hook postrouting priority filter; policy accept;"
    yield 'oifname "lo" accept'
    yield from ownership.leave([*tcp])
    if strict:
        # Whatever is not TCP for sure: of some packets it cannot be told what they carry.
        yield "meta l4proto tcp goto unowned"
        yield "goto datagrams_out"


def _datagrams(peer: str, allowed: Sequence[Datagrams], dns: str, name_servers: Sequence[Network]) -> Iterator[str]:
    """Let through what may pass one way.

    ``peer`` says which address is not the pod's, and ``dns`` what of DNS goes that way: name servers only answer.
    """
    yield "jump control"
    for server in name_servers:
        yield f"{_family(server)} {peer} {server} udp {dns} accept"
    for some in allowed:
        peers, ports = f"{_family(some.peers)} {peer} {some.peers}", _ports(some)
        yield f"{peers} udp dport {ports} ct direction original accept"
        yield f"{peers} udp sport {ports} ct direction reply accept"
    yield "counter drop"


def _control_messages() -> Iterator[str]:
    """Accept what networks need to work: none of it leads anything of the application's anywhere.

    Reports of the groups that a pod is in are not among these: any process joins groups of its choice, and names
    sources of 16 bytes each. So a switch that passes on to a port only what was asked for there does not hear of it.
    """
    errors = "destination-unreachable, time-exceeded, parameter-problem"
    yield f"icmp type {{ {errors} }} ct state related accept"
    yield f"icmpv6 type {{ {errors}, packet-too-big }} ct state related accept"
    # A router lowers this limit, so that what has it comes from a neighbour.
    neighbours = "nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert"
    yield f"ip6 hoplimit 255 icmpv6 type {{ {neighbours} }} accept"


def _set(*ports: int) -> str:
    return f"{{ {', '.join(map(str, ports))} }}"


def _family(network: Network) -> str:
    return "ip6" if network.version == 6 else "ip"  # noqa: PLR2004 - the version of IP


def _ports(some: Datagrams) -> str:
    first, last = some.ports[0], some.ports[-1]
    return str(first) if first == last else f"{first}-{last}"
