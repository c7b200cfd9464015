"""In a pod whose kernel may choose ports of the sidecar for connections, these are reserved."""

import pytest

from sovereign_operator.core.sidecar.local_ports import RANGE, RESERVED
from tests.unit.sidecar.injected_pods import Json, injected, pod


def sysctls_of(*given: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the sysctls of a pod with a sidecar, given those without."""
    context: Json = {"sysctls": [{"name": name, "value": value} for name, value in given]}
    made = injected(pod(securityContext=context))
    assert injected(made) == made
    return [(each["name"], each["value"]) for each in made["spec"]["securityContext"]["sysctls"]]


@pytest.mark.parametrize("ports", ["1024 65535", "1024\t65535", "15199 15300", "10000 15000"])
def test_ports_that_the_kernel_could_choose_are_reserved(ports: str) -> None:
    assert sysctls_of((RANGE, ports)) == [(RANGE, ports), (RESERVED, "15000-15199")]


@pytest.mark.parametrize("ports", ["32768 60999", "15200 65535", "1024 14999", "", "1024", "a b", "1 2 3"])
def test_in_all_other_pods_nothing_changes(ports: str) -> None:
    assert sysctls_of((RANGE, ports)) == [(RANGE, ports)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("8080", "8080,15000-15199"),
        ("", "15000-15199"),
        ("9000-9100,15000-15199", "9000-9100,15000-15199"),
    ],
)
def test_ports_that_the_pod_reserves_stay_reserved(before: str, after: str) -> None:
    name = RESERVED.replace(".", "/")
    assert sysctls_of((name, before), (RANGE, "1024 65535"))[0] == (name, after)
