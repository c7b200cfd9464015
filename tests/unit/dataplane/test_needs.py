"""What the rules need of a kernel is known for each rule, so that the agent can name what is missing."""

import re
from ipaddress import ip_network

from sovereign_operator.core.encryption.traffic_rules import Datagrams
from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from sovereign_operator.dataplane import needs
from sovereign_operator.dataplane.redirect import rules_of
from tests.documents import ROOT

WORD = re.compile(r"(?<![0-9a-z:.])@?[a-z][a-z0-9_-]*")

STATEMENTS = {
    "redirect": "nft_redir",
    "type nat": "nft_chain_nat",
    "snat": "nft_nat",
    "fib": "nft_fib_inet",
    "ct": "nft_ct",
    "reject": "nft_reject_inet",
    "counter": "nft_counter",
    "meta": "nft_meta",
    "@th": "nft_payload",
    "timeout": "nft_set_hash",
}
"""By one or two words of the rules, the part that they need."""

WITHIN = {
    # Of tables, chains, sets and verdicts.
    *("add", "delete", "table", "inet", "chain", "set", "type", "filter", "hook", "prerouting", "input", "output"),
    *(
        "postrouting",
        "priority",
        "raw",
        "dstnat",
        "srcnat",
        "nat",
        "policy",
        "accept",
        "drop",
        "return",
        "goto",
        "jump",
        "flags",
    ),
    *("inet_proto", "mark", "to", "with", "lo"),
    # Payload, and what it is compared with.
    *("tcp", "udp", "ip", "ip6", "icmp", "icmpv6", "dport", "sport", "daddr", "saddr", "doff", "hoplimit", "reset"),
    *("syn", "ack", "fin", "rst", "destination-unreachable", "time-exceeded", "parameter-problem", "packet-too-big"),
    *("nd-router-solicit", "nd-router-advert", "nd-neighbor-solicit", "nd-neighbor-advert"),
    # Keys of meta, fib and ct, and their values.
    *(
        "iifname",
        "oifname",
        "nfproto",
        "ipv4",
        "ipv6",
        "l4proto",
        "skuid",
        "local",
        "status",
        "dnat",
        "state",
        "invalid",
        "new",
        "related",
    ),
    *("direction", "original", "reply", "proto-dst"),
}
"""Words that need no part of the kernel besides the ones that other words of their rule need."""


def words_of(rules: str) -> set[str]:
    """Return the words of rules, without the names of our own tables, chains and sets."""
    own = {*re.findall(r"(?:chain|set) (\S+) {", rules), "sovereignty"}
    rules = re.sub(r"[0-9a-f]*:[0-9a-f:]*[/0-9]*", "", rules)
    return {word for word in WORD.findall(rules) if word.removeprefix("@") not in own}


def test_each_word_of_the_rules_is_known() -> None:
    """A statement that is new here may be a module that some kernels lack."""
    known = WITHIN | {part for words in STATEMENTS for part in words.split()}
    for rules in (needs.REDIRECT, needs.STRICT):
        assert words_of(rules) - known == set()
    # What only some kernels have: the agent loads the rules without it there.
    assert words_of(needs.SOCKETS) - known == {"socket", "transparent"}
    assert needs.SOCKET_PARTS.keys() == {"nft_socket"}


def test_each_part_that_a_word_needs_is_tried() -> None:
    assert set(STATEMENTS.values()) | {"nf_tables"} == set(needs.PARTS)
    used = words_of(needs.REDIRECT) | words_of(needs.STRICT)
    for words, part in STATEMENTS.items():
        assert {*words.split()} <= used & words_of(needs.PARTS[part])


def test_the_page_names_each_part_that_can_be_a_module() -> None:
    page = (ROOT / "crds" / "encryption.md").read_text()
    within = {"nft_meta", "nft_payload", "nft_set_hash"}
    assert [part for part in needs.PARTS if part not in within and f"`{part}`" not in page] == []


def test_the_rules_that_are_tried_have_all_that_those_of_a_pod_have() -> None:
    probes = [Probe(kind, 8080) for kind in ProbeKind]
    datagrams = [Datagrams.parse("10.0.0.0/8 5004-5005"), Datagrams.parse("fd00::/8 5004-5004")]
    servers = ip_network("10.96.0.10"), ip_network("fd00:96::a")
    own = "10.77.0.2", "fd77::2"
    assert words_of(rules_of(probes, None, addresses=own)) <= words_of(needs.SOCKETS)
    assert words_of(rules_of(probes, datagrams, servers, own)) <= words_of(needs.STRICT + needs.SOCKETS)
