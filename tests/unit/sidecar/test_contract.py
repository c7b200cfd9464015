import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovereign_operator.core.sidecar import contract as sidecar
from sovereign_operator.core.sidecar.contract import Probe, ProbeKind

PATHS = st.text("abcxyz019-._~%/:@!$&'()*+,;=", max_size=30).map(lambda text: "/" + text.lstrip("/"))
HEADERS = st.lists(st.tuples(st.text("Xx-19", min_size=1), st.text("a=&#+% é\"'/?;,")), max_size=3).map(tuple)


@st.composite
def probes(draw: st.DrawFn) -> Probe:
    kind = draw(st.sampled_from(ProbeKind))
    has_path = kind in (ProbeKind.HTTP, ProbeKind.HTTPS)
    path = draw(PATHS) if kind is not ProbeKind.TCP else "/"
    query = draw(st.sampled_from(["", "?", "?a=b&c", "?/?"])) if has_path else ""
    headers = draw(HEADERS) if has_path else ()
    return Probe(kind, draw(st.integers(1, 65535)), path + query, headers)


@given(st.lists(probes(), max_size=5))
def test_a_sidecar_reads_the_probes_from_its_arguments(written: list[Probe]) -> None:
    container = {"name": sidecar.CONTAINER, "args": ["--log-level=info", *sidecar.arguments(written)]}
    assert sidecar.probes_of(container) == written
    assert list(sidecar.probe_ports(written).values()) == written


@pytest.mark.parametrize(
    "text", ["", "8080", "http://example.org:80/", "http://:80/#", "http://:80/ ", "ftp://:21", "tcp://"]
)
def test_what_is_no_probe_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"probe|valid"):
        Probe.parse(text)


def test_more_probes_than_ports_are_refused() -> None:
    many = [Probe(ProbeKind.TCP, port) for port in range(1, len(sidecar.PROBE_PORTS) + 2)]
    with pytest.raises(ValueError, match="zip"):
        sidecar.probe_ports(many)


@pytest.mark.parametrize(
    ("init_containers", "found"),
    [
        (None, False),
        ([], False),
        ([{"name": sidecar.CONTAINER}], True),
        ([{"name": "other"}, {"name": sidecar.CONTAINER}], False),
    ],
)
def test_only_the_first_init_container_can_be_the_sidecar(init_containers: object, *, found: bool) -> None:
    pod = {"spec": {"initContainers": init_containers, "containers": [{"name": sidecar.CONTAINER}]}}
    assert (sidecar.container_of(pod) is not None) is found


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ({}, ""),
        ({"containerStatuses": [{"name": "app"}, {"name": "b", "user": {"linux": {"uid": 1000}}}]}, ""),
        ({"initContainerStatuses": [{"name": sidecar.CONTAINER, "user": {"linux": {"uid": sidecar.UID}}}]}, ""),
        *(
            ({kind: [{"name": "app", "user": {"linux": {"uid": sidecar.UID}}}]}, "app")
            for kind in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
        ),
    ],
)
def test_a_container_that_runs_as_the_sidecars_user_is_found(status: dict[str, object], found: str) -> None:
    assert sidecar.bypass_of({"spec": {}, "status": status}) == found
