"""The bootstrap of a sidecar's Envoy: the configuration that never changes while a pod exists.

The two listeners for the application's traffic are not part of it: Envoy reads them from a file (listeners.py).
"""

from collections.abc import Mapping
from dataclasses import replace

from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from sovereign_operator.dataplane.admin import admin, admin_cluster
from sovereign_operator.dataplane.clusters import clusters
from sovereign_operator.dataplane.envoy import CERTIFICATE, TLS, TRUST, Json, secret_path, typed
from sovereign_operator.dataplane.guards import guards
from sovereign_operator.dataplane.kubelet_ports import health, probe_cluster, probe_listener
from sovereign_operator.dataplane.memory import UNBOUNDED, Budget, limits, overload


def secrets(credentials: str = sidecar.IDENTITY_FOLDER) -> Mapping[str, Json]:
    """Return the files of the secrets, by path. ``credentials`` is the folder with key and certificate.

    Envoy watches the folders: the kubelet replaces the content of one at once, and a sidecar moves files into its own.
    """
    own, given = ({"watched_directory": {"path": folder}} for folder in (credentials, sidecar.IDENTITY_FOLDER))
    both = {"filename": f"{credentials}/{sidecar.CREDENTIALS}"}
    pair = {"certificate_chain": both, "private_key": both} | own
    # By default, a server tells every client which authorities it trusts. Our clients have one certificate only.
    authorities = {"filename": f"{sidecar.IDENTITY_FOLDER}/{sidecar.TRUSTED}"}
    trusted = {"trusted_ca": authorities, "suppress_client_ca_list": True} | given
    return {
        secret_path(CERTIFICATE): _secret(CERTIFICATE, tls_certificate=pair),
        secret_path(TRUST): _secret(TRUST, validation_context=trusted),
    }


def bootstrap(
    name: str,
    probes: Mapping[int, Probe],
    budget: Budget = UNBOUNDED,
    *,
    give_up_sooner: bool = False,
    transit: str = sidecar.TRANSIT_FOLDER,
) -> Json:
    """Return Envoy's bootstrap for a pod. ``name`` is the pod's; ``probes`` are by the sidecar's port for each.

    ``give_up_sooner``: whether the kernel supports the option GIVE_UP_SOONER. ``transit`` is the folder from which
    Envoy reads the two listeners.
    """
    served = {port: probe for port, probe in probes.items() if probe.kind is not ProbeKind.TCP}
    for_kubelets = [health(), *(probe_listener(port, probe) for port, probe in served.items())]
    budget = replace(budget, ports=len(for_kubelets))
    listeners = {"path": f"{transit}/{sidecar.LISTENERS}", "watched_directory": {"path": transit}}
    return {
        "node": {"id": name, "cluster": "sovereign-sidecar"},
        "admin": admin(),
        "dynamic_resources": {"lds_config": {"path_config_source": listeners, "resource_api_version": "V3"}},
        "static_resources": {
            "listeners": for_kubelets,
            "clusters": [
                *clusters(give_up_sooner=give_up_sooner),
                admin_cluster(),
                *(probe_cluster(port, probe) for port, probe in served.items()),
            ],
        },
        "overload_manager": overload(budget),
        "layered_runtime": {"layers": [limits(budget, [one["name"] for one in for_kubelets]), guards()]},
    }


def _secret(name: str, **content: Json) -> Json:
    resource = typed(f"{TLS}.Secret", name=name, **content)
    return {"resources": [resource]}
