import re
from pathlib import Path

import pytest

from hack.cluster import binaries
from hack.cluster.errors import ClusterError
from hack.cluster.spec import KUBERNETES_VERSIONS

GO_FILES = Path(binaries.__file__).with_name("go")


def test_equal_inputs_have_equal_keys_and_any_difference_another() -> None:
    keys = [
        binaries.make_key(*inputs)
        for inputs in (
            ([b"mod", b"sum"], "go1.26", ("-trimpath",)),
            ([b"mod2", b"sum"], "go1.26", ("-trimpath",)),
            ([b"mod", b"sum2"], "go1.26", ("-trimpath",)),
            ([b"mod", b"sum"], "go1.27", ("-trimpath",)),
            ([b"mod", b"sum"], "go1.26", ()),
            ([b"mods", b"um"], "go1.26", ("-trimpath",)),
            ([b"mod", b"sum"], "go1.26", ("-trim", "path")),
        )
    ]
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch("[0-9a-f]{12}", key) for key in keys)
    assert keys[0] == binaries.make_key([b"mod", b"sum"], "go1.26", ["-trimpath"])


def test_kubernetes_reports_the_version_of_its_go_mod() -> None:
    go_mod = (GO_FILES / "kubernetes" / "go.mod").read_text()
    version = binaries.read_version(go_mod, "k8s.io/kubernetes")
    assert f"gitVersion={version}" in binaries.render_flags(binaries.KUBERNETES, go_mod)[-1]
    assert "gitMajor=1 " in binaries.render_flags(binaries.KUBERNETES, go_mod)[-1]


def test_the_kubectl_that_serves_commands_is_made_of_the_newest_kubernetes() -> None:
    kubernetes, kubectl = ((GO_FILES / name / "go.mod").read_text() for name in ("kubernetes", "kubectl"))
    replaced = re.findall(r"^\s+(k8s\.io/\S+ => \S+ v\S+)$", kubectl, re.MULTILINE)
    assert replaced
    assert all(line in kubernetes for line in replaced)


@pytest.mark.parametrize("minor", KUBERNETES_VERSIONS)
def test_a_cluster_has_the_kubernetes_that_it_names_and_the_newest_kubectl(minor: str) -> None:
    (module,) = (module for module in binaries.of_cluster(minor) if "kubelet" in module.programs)
    version = binaries.read_version((GO_FILES / module.name / "go.mod").read_text(), "k8s.io/kubernetes")
    assert version.startswith(f"v{minor}.")
    assert ("kubectl" in module.programs) is (minor == KUBERNETES_VERSIONS[-1])


@pytest.mark.parametrize("line", ["require a.b/c v1.2.3", "require (\n\ta.b/c v1.2.3 // indirect\n)"])
def test_versions_are_read_from_either_form_of_require(line: str) -> None:
    assert binaries.read_version(f"module x\n\n{line}\n", "a.b/c") == "v1.2.3"


def test_a_version_that_is_not_required_is_an_error() -> None:
    with pytest.raises(ClusterError, match=re.escape("a.b/c")):
        binaries.read_version("require a.b/cd v1.0.0", "a.b/c")


@pytest.mark.parametrize(
    "module",
    [*binaries.LOCAL, *binaries.OLDER_KUBERNETES.values(), binaries.KIND, binaries.DASHBOARD, binaries.FLUX],
    ids=lambda module: module.name,
)
def test_each_program_is_a_tool_of_its_go_module(module: binaries.Module) -> None:
    go_mod = (GO_FILES / module.name / "go.mod").read_text()
    tools = re.findall(r"^(?:tool\s+|\t)([\w./-]+?)(?:/v\d+)?$", go_mod, re.MULTILINE)
    renamed = dict(module.renamed)
    assert sorted(renamed.get(tool.rpartition("/")[2], tool.rpartition("/")[2]) for tool in tools) == sorted(
        module.programs
    )
    assert (GO_FILES / module.name / "go.sum").exists()


def test_a_program_that_nobody_builds_is_an_error() -> None:
    with pytest.raises(ClusterError, match=r"there are .*\bcontainerd, "):
        binaries.path("dockerd")


def test_without_go_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match=re.escape("Install Go 1.26 or later from go.dev/dl")):
        binaries.read_go_version(tmp_path)


def test_with_an_old_go_the_error_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module x\n\ngo 1.99.0\n")
    with pytest.raises(ClusterError, match=re.escape("Install the Go that its go.mod asks for")):
        binaries.read_go_version(tmp_path)
