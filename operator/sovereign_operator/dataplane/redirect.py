"""The redirect: rules of the packet filter, in a pod's network namespace, that send its traffic through the sidecar.

The rules are one transaction for ``nft -f -``, which can be loaded again at any time: open connections keep their
destinations, and no packet meets half of the rules. They do the following in the pod's network namespace, for IPv4 and
IPv6 alike:

- TCP that the application sends goes to OUTBOUND_PORT, TCP that the pod receives goes to INBOUND_PORT or PEER_PORT; the
  sidecar can query the original destination. Traffic within the pod (``lo``) is not redirected, and neither is the
  sidecar's own.
- A connection that the pod receives is redirected only if an application listens on its port; otherwise it is refused,
  as without a sidecar. So clients, load balancers and monitors outside see whether a port is open.
- The sidecar's connections to the application get the addresses of the clients: see peers.py.
- Packets from outside for ``localhost``, and TCP for addresses that are not the pod's, are dropped.
- REDIRECTED_PORT is forwarded to HEALTH_PORT. From outside, nothing else reaches that port.
- The sidecar listens on the ports of HTTP, HTTPS and gRPC probes. Ports of TCP probes are forwarded to the probed port,
  without a byte of payload in either direction: a client learns whether the port is open, and nothing else.
- A filter refuses TCP that enters or leaves in any other way, so that packets that address translation missed do not
  pass. Translation is decided by the first packet of a connection, and conntrack protects nothing: it cannot classify
  some packets (``invalid``), and a new connection can match an old entry.
- In Strict only the sidecar's TCP, DNS, named datagrams, ICMP errors and IPv6 neighbour discovery pass. Which TCP is
  the sidecar's is decided in ownership.py.

The rules identify the sidecar by its UID. A process with CAP_SETUID can take this UID; root in a container has the
capability unless it is dropped. So can a program in the image with the set-user-ID bit, unless privilege escalation is
disallowed. And with CAP_NET_RAW a process opens packet sockets, which no rule of this family sees. So the rules hold
only for containers without these three, as Pod Security ``restricted`` requires. Admission refuses this UID as
``runAsUser``. It cannot see the user of an image: the kubelet reports it, and the condition Encrypted names the
container. Traffic that the pod receives goes to its sidecar even then, unless that user takes the sidecar's port while
the sidecar is down.

A second criterion could be the cgroup: ``socket cgroupv2 level N "PATH"`` matches sockets that were created in that
cgroup or below, which a container can neither leave nor enter, whatever its UID. It is sound, but costly:

- nft resolves the path when it loads the rules, so the cgroup of the sidecar's container has to exist. It is a new one
  after each restart; until the agent has loaded new rules, the restarted sidecar is redirected to itself.
- The path depends on the runtime's cgroup driver, and the agent needs the node's cgroup tree.
- Before Linux 6.12, levels count from the root of the hierarchy, whatever the cgroup namespace.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sovereign_operator.core.encryption.traffic_rules import DNS_PORT, HIGHEST_PORT, Datagrams, Network
from sovereign_operator.core.sidecar.contract import (
    HEALTH_PORT,
    INBOUND_PORT,
    OUTBOUND_PORT,
    PEER_PORT,
    REDIRECTED_PORT,
    RESERVED_PORTS,
    UID,
    Probe,
    ProbeKind,
    probe_ports,
)
from sovereign_operator.dataplane import ownership, peers

TABLE: Final = "sovereignty"
"""The name of our table, of family inet. No other table is changed."""

_HAS_LISTENER: Final = "socket transparent { 0, 1 } "
"""Matches if there is a socket for a packet, whether it has the option IP_TRANSPARENT or not."""


def rules_of(
    probes: Sequence[Probe],
    datagrams: Sequence[Datagrams] | None,
    name_servers: Sequence[Network] = (),
    addresses: Iterable[str] = (),
) -> str:
    """Return the rules for a pod whose sidecar has these probes in its arguments.

    ``datagrams`` are those that may pass in Strict; None in other modes, where all may. Queries to ``name_servers``
    always pass. ``addresses`` are the pod's own, if its sidecar listens on PEER_PORT. Raises ValueError if there are
    more probes than ports, or if no application can listen on a port.
    """
    strict, own = datagrams is not None, peers.own_addresses(addresses)
    ports = probe_ports(probes)
    tcp = {port: probe.port for port, probe in ports.items() if probe.kind is ProbeKind.TCP}
    others = sorted(ports.keys() - tcp.keys())
    for target in tcp.values():
        if target in RESERVED_PORTS or not 0 < target <= HIGHEST_PORT:
            raise ValueError(f"no application listens on port {target}, so no probe can lead there")
    chains = {
        "reserved": _refuse_reserved(sorted(ports)),
        "listened": _redirect_listened(own),
        "inbound": _redirect_inbound(tcp, others),
        "outbound": _redirect_outbound(own),
        "peers": peers.name_peer(),
        "payload": ownership.refuse_payload("reject with tcp reset"),
        "owned": ownership.owned(),
    }
    if datagrams is not None:
        chains["bare"] = ownership.refuse_payload("drop")
        chains["received"] = ownership.received()
        chains["unowned"] = ownership.unowned()
        chains["control"] = _control_messages()
        query, answer = f"dport {DNS_PORT} ct direction original", f"sport {DNS_PORT} ct direction reply"
        chains["datagrams_in"] = _datagrams("saddr", datagrams, answer, name_servers)
        chains["datagrams_out"] = _datagrams("daddr", datagrams, query, name_servers)
    chains["enter"] = _let_enter(tcp, others, strict=strict)
    chains["greeting"] = _refuse_greeting(tcp)
    chains["leave"] = _let_leave(tcp, strict=strict)
    # Add and delete the table first: otherwise the rules would extend it, and deleting a missing table is an error.
    lines = [f"add table inet {TABLE}", f"delete table inet {TABLE}", f"table inet {TABLE} {{"]
    blocks = {f"set {ownership.SETTLING}": ownership.settling_set()}
    blocks |= {f"chain {name}": rules for name, rules in chains.items()}
    for name, rules in blocks.items():
        lines += [f"\t{name} {{", *(f"\t\t{rule}" for rule in rules), "\t}"]
    return "\n".join((*lines, "}", ""))


def without_sockets(rules: str) -> str:
    """Return rules for a kernel that cannot look for sockets: there the sidecar accepts connections for any port."""
    return rules.replace(_HAS_LISTENER, "")


def _refuse_reserved(probed: Sequence[int]) -> Iterator[str]:
    """Drop connections from outside to the sidecar's ports, except those that are meant for clients outside.

    Only packets that begin a connection are matched: the application may use such a port as a source port.
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
    # The kernel would refuse such packets, but the redirect comes first. The sidecar would connect to their original
    # destination: to an application that listens only on localhost, or to any other host.
    yield "ip daddr 127.0.0.0/8 drop"
    yield "meta l4proto tcp fib daddr type != local drop"
    yield f"tcp dport {REDIRECTED_PORT} redirect to :{HEALTH_PORT}"
    if others:
        yield f"tcp dport {_set(*others)} return"
    for port, target in tcp.items():
        yield f"tcp dport {port} redirect to :{target}"
    yield f"meta l4proto tcp {_HAS_LISTENER}goto listened"


def _redirect_listened(own: Sequence[peers.Address]) -> Iterator[str]:
    yield from peers.accept(own)
    yield f"meta l4proto tcp redirect to :{INBOUND_PORT}"


def _redirect_outbound(own: Sequence[peers.Address]) -> Iterator[str]:
    # nft refuses the name of this priority, dstnat, in this hook.
    yield "type nat hook output priority -100; policy accept;"
    yield from peers.enter_pod(own)
    yield 'oifname "lo" return'
    yield f"meta skuid {UID} return"
    yield f"meta l4proto tcp redirect to :{OUTBOUND_PORT}"


def _let_enter(tcp: dict[int, int], others: Sequence[int], *, strict: bool) -> Iterator[str]:
    yield "type filter hook input priority filter; policy accept;"
    # A connection from within the pod straight to these ports would make the sidecar connect to itself without end. As
    # the port of a client, the kernel may choose such a number.
    direct = f"tcp dport {_set(OUTBOUND_PORT, INBOUND_PORT, PEER_PORT)} ct direction original ct status & dnat == 0"
    yield f'iifname "lo" {direct} reject with tcp reset'
    yield 'iifname "lo" accept'
    yield ownership.forget()
    for port in tcp:
        yield f"meta l4proto tcp ct original proto-dst {port} ct direction original goto payload"
    yield "meta l4proto tcp ct state invalid drop"
    exceptions = f" tcp dport != {_set(*others)}" if others else ""
    missed = f"meta l4proto tcp{exceptions} ct direction original ct status & dnat == 0"
    # Nobody listened when the redirect looked. If somebody does by now, the client has to try again.
    yield f"{missed} tcp flags & (syn | ack) == syn reject with tcp reset"
    yield f"{missed} drop"
    if strict:
        # Everything else is judged as a datagram, also packets whose protocol cannot be determined.
        yield "meta l4proto tcp goto received"
        yield "goto datagrams_in"


def _refuse_greeting(tcp: dict[int, int]) -> Iterator[str]:
    """Refuse payload that the application sends to a TCP probe. In this hook the application gets the reset."""
    yield "type filter hook output priority filter; policy accept;"
    for port in tcp:
        yield f'oifname != "lo" meta l4proto tcp ct original proto-dst {port} ct direction reply goto payload'


def _let_leave(tcp: dict[int, int], *, strict: bool) -> Iterator[str]:
    # Not the hook output: there, redirected packets still have the outgoing interface, until they are routed again.
    yield "type filter hook postrouting priority filter; policy accept;"
    yield 'oifname "lo" accept'
    yield peers.stay()
    yield from ownership.leave([*tcp])
    if strict:
        # Everything else is judged as a datagram, also packets whose protocol cannot be determined.
        yield "meta l4proto tcp goto unowned"
        yield "goto datagrams_out"


def _datagrams(peer: str, allowed: Sequence[Datagrams], dns: str, name_servers: Sequence[Network]) -> Iterator[str]:
    """Accept the datagrams that may pass in one direction, and drop all others.

    ``peer`` is the field with the peer's address. ``dns`` matches the DNS packets of this direction: queries leave, and
    only answers enter.
    """
    yield "jump control"
    for server in name_servers:
        yield f"{_family(server)} {peer} {server} udp {dns} accept"
    for rule in allowed:
        peers, ports = f"{_family(rule.peers)} {peer} {rule.peers}", _ports(rule)
        yield f"{peers} udp dport {ports} ct direction original accept"
        yield f"{peers} udp sport {ports} ct direction reply accept"
    yield "counter drop"


def _control_messages() -> Iterator[str]:
    """Accept the control messages that networks need. An application can send no data in them.

    Membership reports of multicast groups are not accepted: any process can join groups of its choice, with sources of
    16 bytes each, and so send data. As a result, switches with MLD snooping do not learn the pod's groups.
    """
    errors = "destination-unreachable, time-exceeded, parameter-problem"
    yield f"icmp type {{ {errors} }} ct state related accept"
    yield f"icmpv6 type {{ {errors}, packet-too-big }} ct state related accept"
    # Routers decrement the hop limit, so a packet with 255 comes from a neighbour.
    neighbours = "nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert"
    yield f"ip6 hoplimit 255 icmpv6 type {{ {neighbours} }} accept"


def _set(*ports: int) -> str:
    return f"{{ {', '.join(map(str, ports))} }}"


def _family(network: Network) -> str:
    return "ip6" if network.version == 6 else "ip"  # noqa: PLR2004 - the version of IP


def _ports(rule: Datagrams) -> str:
    first, last = rule.ports[0], rule.ports[-1]
    return str(first) if first == last else f"{first}-{last}"
