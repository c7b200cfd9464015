"""When kubelets may ask for the certificates of sidecars."""

import pytest

from sovereign_operator.core.identity.kubelets import report_pod_certificates, supports_pod_certificates


@pytest.mark.parametrize("version", ["v1.37.0", "v1.37.2-gke.100", "1.38.1+rke2r1", "v2.0.0", "v1.137.0"])
def test_kubelets_that_support_pod_certificates(version: str) -> None:
    assert supports_pod_certificates(version)


@pytest.mark.parametrize("version", ["v1.36.9", "v1.3.7", "v1.33.13", "", "unknown", "v1", "v1.99999"])
def test_kubelets_that_do_not(version: str) -> None:
    assert not supports_pod_certificates(version)


def test_the_condition_names_the_nodes() -> None:
    (observed,) = report_pod_certificates({"lyon-1", "brest-1"}).observations
    assert (observed.type, observed.status) == ("PodCertificates", "False")
    assert "of 2 node(s) are older than Kubernetes 1.37: brest-1, lyon-1;" in observed.message


def test_the_condition_says_what_to_set() -> None:
    (observed,) = report_pod_certificates(()).observations
    assert observed.status == "True"
    assert "identity.certificates=Request" in observed.message
