"""What applications notice of TCP: each case does something with sockets, and returns in a few words what was seen.

A case does not know whether there are sidecars. test_tcp_as_it_was.py compares what it returns with crds/tcp.md.
"""

from collections.abc import Callable, Mapping
from typing import Final

from tests.dataplane import tcp_connecting as connecting
from tests.dataplane import tcp_data as data
from tests.dataplane.tcp_ends import Ends

Case = Callable[[Ends], str]
CASES: Final[Mapping[str, Case]] = {
    "connects to a port where nobody listens": connecting.nobody_listens,
    "connects to a Service without pods": connecting.network_refuses,
    "connects to an address without a route": connecting.no_route,
    "connects to an address that does not answer": connecting.packets_are_lost,
    "connects to a server that is too busy to accept": connecting.server_is_busy,
    f"opens as many connections to one server as there are ports, here {connecting.FEW}": connecting.ports_run_out,
    "asks the kernel whether its peer has received data, while the network is down": data.what_is_acknowledged,
    "sends a byte of urgent data (`!`) among others": data.urgent_data,
    "looks at the address and port of its client": data.who_is_there,
    "sets the type of service (DSCP) of its packets": data.type_of_service,
    "connects from outside, without a sidecar, where nobody listens": connecting.nobody_listens_to_outside,
    "connects from outside, without a sidecar, where somebody listens": connecting.somebody_listens_to_outside,
    "connects and reads for a second, to learn whether somebody listens": connecting.looks_for_a_second,
    "does the same by the `nc` of BusyBox": connecting.looks_by_nc,
    "looks at the address and port of its server": data.where_it_is,
    "is reset by its server": data.server_resets,
    "is reset by its client": data.client_resets,
    "sends to a server that closes without reading it": data.server_closes_unread,
    "goes on sending to a server that has closed": data.client_sends_to_a_server_that_has_closed,
    "closes its sending side, and waits for the answer": data.client_closes_first_half,
    "reads until the server closes its sending side, and sends on": data.server_closes_first_half,
    "sends 2 MB and closes at once": data.a_lot_is_sent,
    "sends to a client that does not read, until it closes": data.reader_stops,
    "begins with one byte, and waits for an answer": data.first_word_is_one_byte,
    f"says nothing for {data.LATE_SECONDS} s, and then asks": data.first_word_is_late,
    "waits for the server to speak first": data.server_speaks_first,
    "sends its first byte with TCP Fast Open": connecting.fast_open,
    "connects to itself, by its pod's address": connecting.to_itself,
    "connects to itself, by its own Service": connecting.to_its_own_service,
    "connects to a node, outside `clusterNetworks`": connecting.to_a_node,
    f"opens {connecting.BURST} connections at once": connecting.a_burst,
    f"opens {connecting.SHORT} connections, one after another": connecting.short_ones,
}
"""By what an application does, in the words of the page."""
