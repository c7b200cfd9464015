"""Writes the sidecar into a pod.

The sidecar and its volumes are rendered from scratch at each review, except what the cluster's own admission plugins
may change in any container: resources and imagePullPolicy. So whatever another webhook adds to the sidecar is removed
when the webhook is invoked again, and the guard sees what the injector wrote.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sovereign_operator.core import names
from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.injectable import check
from sovereign_operator.core.sidecar.local_ports import reserve
from sovereign_operator.core.sidecar.namespace_facts import NO_NAMESPACE_FACTS, NamespaceFacts
from sovereign_operator.core.sidecar.pod_resources import make_room
from sovereign_operator.core.sidecar.probes import CannotInjectError, rewrite
from sovereign_operator.core.sidecar.resources import choose, keep, share
from sovereign_operator.core.sidecar.sandboxes import sandbox_of

Json = dict[str, Any]

STARTUP_SECONDS: Final = 600
"""How long a sidecar may take to answer through the redirect before it is restarted."""

RUN_SIZE: Final = "16Mi"
LONGEST_CERTIFICATE_SECONDS: Final = 86400
READABLE: Final = 0o444
"""For whom the kubelet makes files: for everybody in the container, which is the sidecar alone. Where a pod has an
fsGroup, it gives the key to that group, in which the sidecar then is, too."""

RESTORING: Final = ("restore-wait", "restic-wait")
"""Init containers that Velero adds to a pod whose volumes it restores: they wait for the files."""
RESTORED: Final = "/restores/"
"""Where they mount these volumes."""

_COPIED: Final = (
    "; this is a copy of a pod without its sidecar, which alone knows what the probes asked: leave the probes out, or "
    "copy the init containers, too (kubectl debug --keep-init-containers=true)"
)


@dataclass(frozen=True)
class SidecarSettings:
    """The chart's values for the sidecar."""

    image: str
    pull_policy: str
    """Always, IfNotPresent or Never."""
    resources: Mapping[str, Any]
    """As in a container."""
    by_token: bool
    """Whether it asks the signer for its certificate itself, with a token of its pod. Otherwise its kubelet asks."""
    sandboxes: frozenset[str] = frozenset()
    """RuntimeClasses whose pods run in sandboxes, besides those whose handlers say so."""


def inject(pod: Json, policy: str, settings: SidecarSettings, around: NamespaceFacts = NO_NAMESPACE_FACTS) -> Json:
    """Return a copy of the pod with the sidecar of a policy.

    A pod that has one already gets what is new, such as the probes of containers that another webhook added. Raises
    CannotInjectError, which says what to change in the pod.
    """
    made: Json = _copy(pod)
    spec = made["spec"]
    initial = spec["initContainers"] = [*_without_backups(spec.get("initContainers") or ())]
    # Another webhook may have put a container of its own before it.
    found = next((each for each in initial if each["name"] == sidecar.CONTAINER), None)
    others = [each for each in initial if each["name"] != sidecar.CONTAINER]
    lost = found is None and _has_volumes_of_sidecar(spec)
    check(spec, injected=found is not None or lost, sandbox=sandbox_of(spec, around.handlers, settings.sandboxes))
    resources = (
        choose(made, settings.resources, around)
        if found is None
        else keep(found.get("resources") or {}, settings.resources)
    )
    if found is None and not lost:
        make_room(spec, share(spec, resources))
    _disclaim(made)
    if not others:
        _name_default_container(made)
    try:
        probes = rewrite([*others, *spec["containers"]], _told(found))
    except CannotInjectError as error:
        raise CannotInjectError(f"{error}{_COPIED if lost else ''}") from error
    container = _container(
        sidecar.arguments(probes), settings, found or {}, resources, restarts=spec.get("restartPolicy") != "Never"
    )
    spec["initContainers"] = [container, *others]
    wanted = {volume["name"]: volume for volume in _volumes(policy, by_token=settings.by_token)}
    kept = [wanted.pop(volume["name"], volume) for volume in spec.get("volumes") or ()]
    spec["volumes"] = [*kept, *wanted.values()]
    _keep_profile_out(spec)
    reserve(spec)
    return made


def _copy(value: Any) -> Any:
    """Return a copy of what was read from JSON, in a fifth of the time that deepcopy takes for any object."""
    if isinstance(value, Mapping):
        return {key: _copy(each) for key, each in value.items()}
    return [_copy(each) for each in value] if isinstance(value, list) else value


def _has_volumes_of_sidecar(spec: Json) -> bool:
    """Whether a pod without a sidecar has its volumes just as this version or an earlier one wrote them.

    It is a copy of a pod without its init containers, as ``kubectl debug --keep-init-containers=false`` makes it.
    """
    kept = {volume["name"]: volume for volume in spec.get("volumes") or () if volume["name"] in sidecar.VOLUMES}
    sources = (kept.get(sidecar.TRANSIT_VOLUME, {}).get("projected") or {}).get("sources") or ()
    policy = sidecar.policy_named(sources, sidecar.TRANSIT_PREFIX)
    written = (
        _volumes(policy, by_token=way, key=key)
        for way in (True, False)
        for key in (sidecar.LISTENERS_KEY, *sidecar.FORMER_LISTENERS_KEYS)
    )
    return any(kept == {each["name"]: each for each in volumes} for volumes in written)


def _told(found: Mapping[str, Any] | None) -> list[sidecar.Probe]:
    """Return the probes in the arguments of an existing sidecar; none if they are malformed."""
    try:
        return sidecar.probes_of(found or {})[: len(sidecar.PROBE_PORTS)]
    except ValueError:
        return []


def _disclaim(pod: Json) -> None:
    """Tell tools that nobody needs the files of the sidecar once the pod is gone.

    Velero may save the files of all volumes, and older versions of Cluster Autoscaler keep a node whose pods have an
    emptyDir, even one in memory.
    """
    metadata = pod["metadata"]
    annotations = metadata["annotations"] = dict(metadata.get("annotations") or {})
    for key in (names.BACKUP_EXCLUDES_ANNOTATION, names.SAFE_TO_EVICT_ANNOTATION):
        listed = annotations.get(key, "")
        if sidecar.RUN_VOLUME not in listed.split(","):
            annotations[key] = f"{listed},{sidecar.RUN_VOLUME}".lstrip(",")


def _name_default_container(pod: Json) -> None:
    """Name the only container of a pod as the one that kubectl means.

    Otherwise ``kubectl exec``, ``logs``, ``cp`` and ``attach`` print a line that they have chosen it, because there is
    the sidecar as well. Scripts that read their whole output would notice.
    """
    if len(pod["spec"]["containers"]) == 1:
        name = pod["spec"]["containers"][0]["name"]
        pod["metadata"]["annotations"].setdefault(names.DEFAULT_CONTAINER_ANNOTATION, name)


def _keep_profile_out(spec: Json) -> None:
    """Give the sidecar the default AppArmor profile where the pod as a whole has one of a node.

    That is made for the application, and may forbid what the sidecar does. Such a pod needs a node with AppArmor
    anyway; elsewhere the field stays empty, as nodes without AppArmor refuse a pod that names the default.
    """
    profile = (spec.get("securityContext") or {}).get("appArmorProfile") or {}
    if profile.get("type") == "Localhost":
        spec["initContainers"][0]["securityContext"]["appArmorProfile"] = {"type": "RuntimeDefault"}


def _without_backups(initial: Iterable[Json]) -> Iterator[Json]:
    """Yield the init containers, none of which waits for the files of a sidecar that an earlier backup saved.

    No other container may mount the sidecar's volumes. An init container that waits for nothing else is left out, as it
    would wait without end.
    """
    for container in initial:
        mounts = container.get("volumeMounts") or ()
        kept = [mount for mount in mounts if mount["name"] not in sidecar.VOLUMES]
        if container["name"] not in RESTORING or len(kept) == len(mounts):
            yield container
        elif any(mount["mountPath"].startswith(RESTORED) for mount in kept):
            yield container | {"volumeMounts": kept}


def _container(
    arguments: Iterable[str], settings: SidecarSettings, found: Mapping[str, Any], resources: Json, *, restarts: bool
) -> Json:
    """Return the sidecar, defaults of the API server included, so that it stays as it is when those are filled in.

    ``restarts``: whether the pod is one in which something may restart.
    """
    return {
        "name": sidecar.CONTAINER,
        "image": settings.image,
        # The plugin AlwaysPullImages changes it, and refuses a pod that changes it back.
        "imagePullPolicy": found.get("imagePullPolicy", settings.pull_policy),
        # With this, it runs before and beside everything else, and does not keep a Job from ending.
        "restartPolicy": "Always",
        "args": list(arguments),
        "resources": resources,
        # It reads its memory limit when it starts, and takes no more connections than fit. Where it may not restart,
        # the guard keeps its limit from becoming lower.
        "resizePolicy": [
            {"resourceName": "cpu", "restartPolicy": "NotRequired"},
            {"resourceName": "memory", "restartPolicy": "RestartContainer" if restarts else "NotRequired"},
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsGroup": sidecar.UID,
            "runAsNonRoot": True,
            "runAsUser": sidecar.UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        # Answered as soon as the redirect is there: nothing listens on this port. No container of the user starts
        # before. There is no other probe: a liveness probe could only cut connections that work, and what the
        # application is ready for its own probes say, which pass through here.
        "startupProbe": {
            "httpGet": {"path": sidecar.READY_PATH, "port": sidecar.REDIRECTED_PORT, "scheme": "HTTP"},
            "periodSeconds": 1,
            "failureThreshold": STARTUP_SECONDS,
            "successThreshold": 1,
            "timeoutSeconds": 1,
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [
            {"name": sidecar.IDENTITY_VOLUME, "mountPath": sidecar.IDENTITY_FOLDER, "readOnly": True},
            {"name": sidecar.TRANSIT_VOLUME, "mountPath": sidecar.TRANSIT_FOLDER, "readOnly": True},
            {"name": sidecar.RUN_VOLUME, "mountPath": sidecar.RUN_FOLDER},
            {"name": sidecar.RUN_VOLUME, "mountPath": sidecar.ACCOUNT_FOLDER, "readOnly": True},
        ],
    }


def _volumes(policy: str, *, by_token: bool, key: str = sidecar.LISTENERS_KEY) -> tuple[Json, ...]:
    items = [{"key": key, "path": sidecar.LISTENERS}]
    config = {"name": sidecar.transit_config_map(policy), "items": items}
    return (
        _projected(sidecar.IDENTITY_VOLUME, *(_token_sources(policy) if by_token else _certificate_sources(policy))),
        _projected(sidecar.TRANSIT_VOLUME, {"configMap": config}),
        {"name": sidecar.RUN_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": RUN_SIZE}},
    )


def _certificate_sources(policy: str) -> tuple[Json, Json]:
    """Return what has the kubelet ask for a certificate, and keep the trust bundle beside it."""
    certificate = {
        "signerName": names.SIGNER,
        "keyType": "ECDSAP256",
        "credentialBundlePath": sidecar.CREDENTIALS,
        "maxExpirationSeconds": LONGEST_CERTIFICATE_SECONDS,
    }
    # By label: a kubelet caches a bundle that it looks up by name for minutes.
    trusted = {
        "signerName": names.SIGNER,
        "labelSelector": {"matchLabels": {names.TRUST_BUNDLE_LABEL: policy}},
        "path": sidecar.TRUSTED,
    }
    return {"podCertificate": certificate}, {"clusterTrustBundle": trusted}


def _token_sources(policy: str) -> tuple[Json, Json]:
    """Return a token with which the sidecar asks the signer, and where the signer is and whom to trust."""
    token = {
        "audience": names.SIGNER_AUDIENCE,
        "expirationSeconds": sidecar.TOKEN_SECONDS,
        "path": sidecar.TOKEN,
    }
    keys = (sidecar.TRUSTED, sidecar.SIGNER_CA, sidecar.SIGNER_ADDRESSES)
    config = {"name": sidecar.trust_config_map(policy), "items": [{"key": key, "path": key} for key in keys]}
    return {"serviceAccountToken": token}, {"configMap": config}


def _projected(name: str, *sources: Json) -> Json:
    return {"name": name, "projected": {"defaultMode": READABLE, "sources": list(sources)}}
