"""The runtime guards that the sidecar sets.

Envoy changes what it does from one version to the next, and lets the former way be chosen for some time by a guard
(https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/operations/runtime). Set here is what an application
would notice. hack/envoy/decisions.yaml lists all other guards, with the reason why they stay as Envoy has them.
"""

from typing import Final

from sovereign_operator.dataplane.envoy import Json

_GUARDS: Final = {
    # A peer that breaks off must not look like one that has sent everything.
    "propagate_downstream_rst_to_upstream": True,
    "ssl_socket_report_connection_reset": True,
    # An application may accept a ClientHello of whichever version: SSL 3.0 of an old device, say.
    "tls_inspector_enforce_client_tls_version": False,
    # Its default has changed six times between two libraries, and only this one limits floods of resets.
    "http2_use_oghttp2": False,
    # Recorded traffic stays secret even if a quantum computer breaks elliptic curves one day.
    "pqc_default_ecdh_curves": True,
}


def guards() -> Json:
    """Return the layer of Envoy's runtime with these guards."""
    return {
        "name": "guards",
        "static_layer": {f"envoy.reloadable_features.{name}": value for name, value in _GUARDS.items()},
    }
