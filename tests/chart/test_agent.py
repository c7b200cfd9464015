"""The agent, as Helm renders it: it runs on every node, so its privileges are tested here in detail."""

import pytest

from sovereign_operator.agent import settings
from tests.chart.rendering import ENCRYPTION, Json, Render, of_kind, template


@pytest.fixture
def daemon_set(render: Render) -> Json:
    """The DaemonSet."""
    return of_kind(render(*ENCRYPTION), "DaemonSet")["sovereign-agent"]


def container_of(daemon_set: Json) -> Json:
    """Return its one container."""
    (container,) = daemon_set["spec"]["template"]["spec"]["containers"]
    found: Json = container
    return found


def test_it_is_there_only_with_encryption(render: Render) -> None:
    assert not of_kind(render(), "DaemonSet")
    assert not [obj for obj in render() if obj["metadata"]["name"] == "sovereign-agent"]


def test_it_takes_what_the_chart_tells_it(daemon_set: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    container = container_of(daemon_set)
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable["valueFrom"]["fieldRef"]["fieldPath"])
    told = settings.parse(container["args"])
    assert told.node == "spec.nodeName"
    assert told.replica.namespace == "metadata.namespace"
    mounted = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert set(mounted) == {str(told.cni_results), str(told.netns)}
    assert all(mount["readOnly"] for mount in mounted.values())
    assert mounted[str(told.netns)]["mountPropagation"] == "HostToContainer"


def test_it_has_two_capabilities_and_is_in_no_namespace_of_the_node(daemon_set: Json) -> None:
    spec = daemon_set["spec"]["template"]["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & set(spec)
    # Its name servers have to be those of other pods.
    assert not {"dnsPolicy", "dnsConfig"} & set(spec)
    context = container_of(daemon_set)["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"], "add": ["SYS_ADMIN", "NET_ADMIN"]}
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert "privileged" not in context
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    folders = {volume["hostPath"]["path"] for volume in spec["volumes"]}
    assert folders == {"/var/lib/cni/results", "/run/netns"}


def test_selinux_does_not_keep_it_from_folders_of_the_node(render: Render, daemon_set: Json) -> None:
    assert container_of(daemon_set)["securityContext"]["seLinuxOptions"] == {"type": "spc_t", "level": "s0"}
    other = of_kind(render(*ENCRYPTION, "--set", "agent.seLinuxOptions.type=agent_t"), "DaemonSet")["sovereign-agent"]
    assert container_of(other)["securityContext"]["seLinuxOptions"]["type"] == "agent_t"
    none = of_kind(render(*ENCRYPTION, "--set-json", "agent.seLinuxOptions=null"), "DaemonSet")["sovereign-agent"]
    assert "seLinuxOptions" not in container_of(none)["securityContext"]


def test_it_runs_wherever_pods_may(daemon_set: Json) -> None:
    spec = daemon_set["spec"]["template"]["spec"]
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert spec["priorityClassName"] == "system-node-critical"
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"}


def test_it_sees_pods_and_what_is_recorded_beside_it_and_writes_its_report(render: Render) -> None:
    objects = render(*ENCRYPTION)
    for kind, seen, more in (("ClusterRole", "pods", []), ("Role", "configmaps", ["create", "patch"])):
        rules = of_kind(objects, kind)["sovereign-agent"]["rules"]
        assert rules == [{"apiGroups": [""], "resources": [seen], "verbs": ["list", "watch", *more]}]
    bound = [
        obj["roleRef"]["kind"]
        for obj in objects
        for subject in obj.get("subjects") or ()
        if subject["name"] == "sovereign-agent"
    ]
    assert sorted(bound) == ["ClusterRole", "Role"]


def test_its_guard_fails_closed_and_is_asked_about_agents_alone(render: Render) -> None:
    spec = of_kind(render(*ENCRYPTION), "ValidatingAdmissionPolicy")["sovereignty-guard-agent"]["spec"]
    assert spec["failurePolicy"] == "Fail"
    (condition,) = spec["matchConditions"]
    assert condition["expression"] == (
        "request.userInfo.username == 'system:serviceaccount:sovereign-system:sovereign-agent'"
    )


def test_its_image_is_its_own(render: Render) -> None:
    digest = "sha256:" + "0" * 64
    named = {"agent.image.repository=example.org/a": "example.org/a:0.1.0", f"agent.image.digest={digest}": ""}
    for option, image in named.items():
        found = of_kind(render(*ENCRYPTION, "--set", option), "DaemonSet")["sovereign-agent"]
        assert container_of(found)["image"] == (image or f"localhost/sovereign-agent@{digest}")


def test_a_folder_that_is_no_path_is_refused() -> None:
    refused = template(*ENCRYPTION, "--set", "agent.cniResults=results")
    assert refused.returncode
    assert "values don't meet the specifications of the schema" in refused.stderr
