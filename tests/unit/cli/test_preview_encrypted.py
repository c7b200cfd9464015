"""``preview`` with a policy that encrypts."""

import pytest

from sovereign_operator.core.sidecar.injection import inject
from sovereign_operator.core.workload.refusal import SETTINGS
from tests.unit.cli.preview_files import (
    ENFORCES,
    NAMESPACE,
    QUALIFIED,
    Asker,
    datacentre,
    deployment,
    node,
    ours,
    pod,
    service,
)


def test_pods_of_a_policy_that_encrypts(ask: Asker) -> None:
    encrypts = ours(
        "SovereigntyPolicy",
        "secnumcloud",
        qualifications=[{"scheme": "SecNumCloud"}],
        encryptionInTransit={"mode": "Strict"},
    )
    limit_range = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "small", "namespace": "hospital"},
        "spec": {"limits": [{"type": "Container", "max": {"memory": "256Mi"}}]},
    }
    annotated = {key: deployment(key) for key in ("enough", "too-little", "too-much")}
    for key, text in (("enough", "200Mi"), ("too-little", "64Mi"), ("too-much", "512Mi")):
        metadata = annotated[key]["spec"]["template"]["metadata"]
        metadata["annotations"] = {"sovereignty.dev/sidecar-memory-limit": text}
    workloads = (
        *(deployment("host", hostNetwork=True), deployment("fine"), deployment("boxed", runtimeClassName="kata")),
        *annotated.values(),
    )
    rows = ask.outcomes(encrypts, limit_range, *workloads, options=ENFORCES)
    assert {name: outcome for name, (_, outcome) in rows.items()} == {
        "Deployment/host": "refused",
        "Deployment/fine": "runs",
        "Deployment/boxed": "refused",
        "Deployment/enough": "runs",
        "Deployment/too-little": "refused",
        "Deployment/too-much": "refused",
    }


@pytest.mark.parametrize(
    ("mode", "gone", "outcome"),
    [
        ("Strict", "dctr/brest", ("withdrawal", "cut off")),
        ("Preferred", "csvc/armor", ("withdrawal", "cut off")),
        ("Permissive", "dctr/brest", ("withdrawal", "moves")),
        ("Strict", "node/brest-1", ("withdrawal", "moves")),
        ("Strict", "dctr/paris", ("next roll-out", "runs")),
    ],
)
def test_pods_lose_their_certificates_with_their_datacentre(
    ask: Asker, mode: str, gone: str, outcome: tuple[str, str]
) -> None:
    lasting = QUALIFIED | {"validFrom": "2020-01-01", "validUntil": "2099-01-01"}
    encrypts = ours(
        "SovereigntyPolicy",
        "secnumcloud",
        qualifications=[{"scheme": "SecNumCloud"}],
        encryptionInTransit={"mode": mode},
    )
    running = inject(pod("alone", "brest-1"), "secnumcloud", SETTINGS)
    running["metadata"]["labels"] = {"sovereignty.dev/placed-for": "secnumcloud"}
    found = ask.outcomes(
        service("armor", lasting),
        service("hexa", lasting),
        datacentre("lyon", "hexa"),
        node("lyon-1"),
        encrypts,
        NAMESPACE,
        running,
        options=("--without", gone),
        day="",
    )
    assert found["Pod/alone"] == outcome
