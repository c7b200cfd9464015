"""Whether the operator may be installed on a cluster."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sovereign_operator.cli.answers.check import Check, Item, Result, unknown
from sovereign_operator.core.report.conditions import examples

OLDEST: Final = (1, 33)
"""The first version of Kubernetes that the chart supports, as its kubeVersion says."""
NEWEST: Final = (1, 37)
"""The last one on which the operator is tested."""

OLD_KERNELS: Final = (
    ((5, 2), "no pod with a sidecar starts on"),
    ((5, 16), "frames that carry no IP may leave pods on"),
)
"""What follows on nodes whose kernel is older than a version of Linux. 5.2 translates addresses of both families in one
table, as the redirect does; 5.16 filters frames that leave an interface. Which modules there are, only agents can tell:
see core/encryption/node_lacks.py."""

GUARDING: Final = ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
PLACING: Final = ("mutatingadmissionpolicies", "mutatingadmissionpolicybindings")
CERTIFYING: Final = ("podcertificaterequests", "clustertrustbundles")


@dataclass(frozen=True)
class ClusterSeen:
    """What was read of a cluster. None: the caller may not read it."""

    version: str | None
    """Of the API server: ``v1.37.2``."""
    admission: frozenset[str] | None
    """The resources that it serves in admissionregistration.k8s.io/v1."""
    certificates: frozenset[str] | None
    """The same for certificates.k8s.io/v1; empty if it does not serve that version."""
    token_keys: bool | None
    """Whether it serves the keys of service accounts' tokens."""
    kubelets: Mapping[str, str] | None
    """By node, the version of its kubelet."""
    kernels: Mapping[str, str] | None
    """By node, the version of its kernel: ``6.1.0-40-cloud-amd64``; empty if it is not known."""
    may: Mapping[str, bool]
    """What an installation creates, and whether the caller may create it."""


def check_cluster(seen: ClusterSeen) -> Check:
    """Check whether the operator may be installed."""
    items = [_check_version(seen), _check_guards(seen), _check_placement(seen), _check_certificates(seen)]
    items.append(_check_token_keys(seen))
    return Check(items=(*items, *_check_kubelets(seen), *_check_kernels(seen), NODE_RESTRICTION, _check_rights(seen)))


NODE_RESTRICTION: Final = Item(
    "NodeRestriction",
    Result.NOTE,
    "whether this admission plugin is on cannot be seen from here, and placement rests on it",
    "look for it in --enable-admission-plugins of the API server, ask who runs the control plane, or try: "
    "kubectl label node NODE node-restriction.kubernetes.io/test=x --dry-run=server --as=system:node:NODE "
    "--as-group=system:nodes. If it is on, the API server answers 'is not allowed to modify labels'",
)


def parse(version: str) -> tuple[int, int] | None:
    """Return major and minor of a version such as ``v1.37.2``; None if it is none."""
    found = re.match(r"v?(\d{1,6})\.(\d{1,6})", version)
    return (int(found[1]), int(found[2])) if found else None


def _check_version(seen: ClusterSeen) -> Item:
    if seen.version is None:
        return unknown("Kubernetes", "its version")
    version = parse(seen.version)
    if version is None:
        return Item("Kubernetes", Result.UNKNOWN, f"{seen.version} is no version", "ask kubectl version")
    if version < OLDEST:
        return Item("Kubernetes", Result.BAD, f"{seen.version} is too old", f"upgrade to {_words(OLDEST)} or newer")
    if version > NEWEST:
        found = f"{seen.version} is newer than {_words(NEWEST)}, the last one on which this version was tested"
        return Item("Kubernetes", Result.NOTE, found, "look for a newer version of the operator")
    return Item("Kubernetes", Result.OK, seen.version)


def _check_guards(seen: ClusterSeen) -> Item:
    if seen.admission is None:
        return unknown("guards", "which admission APIs are served")
    missing = [name for name in GUARDING if name not in seen.admission]
    if missing:
        found = f"the API server does not serve {' and '.join(missing)} in admissionregistration.k8s.io/v1"
        return Item("guards", Result.BAD, found, "turn these APIs on: the guards are such policies")
    return Item("guards", Result.OK, "ValidatingAdmissionPolicy is served")


def _check_placement(seen: ClusterSeen) -> Item:
    if seen.admission is None:
        return unknown("placement", "which admission APIs are served")
    if all(name in seen.admission for name in PLACING):
        return Item("placement", Result.OK, "by the API server itself: MutatingAdmissionPolicy is served")
    found = (
        "by a webhook, as MutatingAdmissionPolicy is not served: while no injector answers, nothing new starts in scope"
    )
    return Item("placement", Result.NOTE, found, "upgrade to Kubernetes 1.36 or newer for placement without a webhook")


def _check_certificates(seen: ClusterSeen) -> Item:
    if seen.certificates is None:
        return unknown("certificates", "which certificate APIs are served")
    if all(name in seen.certificates for name in CERTIFYING):
        return Item("certificates", Result.OK, "pods can mount certificates, and sidecars get them either way")
    found = "only sidecars get certificates, by token, because the API server does not serve pod certificates"
    return Item("certificates", Result.NOTE, found, "upgrade to Kubernetes 1.37 if your pods are to mount certificates")


def _check_token_keys(seen: ClusterSeen) -> Item:
    if seen.token_keys is None:
        return unknown("tokens", "the keys of service accounts' tokens, /openid/v1/jwks")
    if seen.token_keys:
        return Item("tokens", Result.OK, "sidecars can get certificates by token: the keys of tokens are served")
    found = "with encryption, no sidecar gets a certificate by token, as the API server does not serve /openid/v1/jwks"
    advice = "have --service-account-issuer of the API server be an https URL before you set encryption.enabled"
    return Item("tokens", Result.NOTE, found, advice)


def _check_kubelets(seen: ClusterSeen) -> list[Item]:
    if seen.kubelets is None:
        return [unknown("nodes", "nodes")]
    old = sorted(node for node, version in seen.kubelets.items() if (parse(version) or OLDEST) < OLDEST)
    if old:
        found = f"kubelets older than {_words(OLDEST)}, with which the operator is not tested: {examples(old)}"
        return [Item("nodes", Result.NOTE, found, "upgrade these nodes")]
    return [Item("nodes", Result.OK, f"{len(seen.kubelets)}, with kubelets of {_words(OLDEST)} or newer")]


def _check_kernels(seen: ClusterSeen) -> list[Item]:
    if seen.kernels is None:
        return []
    versions = {node: parse(kernel) for node, kernel in seen.kernels.items()}
    unknown_to = sorted(node for node, version in versions.items() if version is None)
    found: list[Item] = []
    named: set[str] = set()
    for oldest, follows in OLD_KERNELS:
        old = sorted(node for node, version in versions.items() if version and version < oldest and node not in named)
        if old:
            said = f"with encryption, {follows} nodes with a kernel before Linux {_words(oldest)}: {examples(old)}"
            found.append(Item("kernels", Result.NOTE, said, "upgrade these nodes before you set encryption.enabled"))
            named.update(old)
    if unknown_to:
        said = f"these nodes have not reported the version of their kernel: {examples(unknown_to)}"
        found.append(Item("kernels", Result.UNKNOWN, said, "see whether they are Ready: kubectl get nodes -o wide"))
    if found:
        return found
    newest = OLD_KERNELS[-1][0]
    return [Item("kernels", Result.OK, f"all are Linux {_words(newest)} or newer, as encryption needs")]


def _check_rights(seen: ClusterSeen) -> Item:
    lacking = [what for what, allowed in seen.may.items() if not allowed]
    if lacking:
        found = f"you may not create {', '.join(lacking)}"
        return Item("your rights", Result.BAD, found, "have a cluster admin install the chart")
    return Item("your rights", Result.OK, "you may create what the chart installs")


def _words(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
