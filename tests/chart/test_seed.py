"""The manifest that installs everything, and the rights of the Job that creates presets and catalogue."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.install import CHART, VALUES
from sovereign_operator import seed
from sovereign_operator.api.v1alpha1 import GROUP, KINDS
from sovereign_operator.seed import __main__ as seeding
from tests.chart.rendering import ENCRYPTION, Json, Render, of_kind, run_helm, template
from tests.schema import schema_of, with_defaults

GUARD = "sovereignty-guard-seed"
PRESETS = ("--set", "presets.enabled=true")
BOTH = (*PRESETS, "--set", "catalogue.enabled=true")
ALL = (*BOTH, *ENCRYPTION, "--set", "alerts.enabled=true")


def seed_objects(objects: list[Json]) -> dict[str, Json]:
    """Return the objects that the Job creates, by name."""
    listed = json.loads(of_kind(objects, "ConfigMap")[seeding.CONFIG_MAP]["data"][seeding.OBJECTS])
    return {obj["metadata"]["name"]: obj for obj in listed["items"]}


def job(objects: list[Json]) -> Json:
    (found,) = of_kind(objects, "Job").values()
    return found


def test_everything_renders_without_a_cluster_and_holds_no_object_of_our_kinds() -> None:
    """A manifest that contained both a kind and an object of it could not be applied in one step."""
    done = run_helm("template", "release", str(CHART), *ALL)
    assert done.returncode == 0, done.stderr
    objects = [document for document in yaml.safe_load_all(done.stdout) if document]
    assert not [obj for obj in objects if obj["apiVersion"].startswith(GROUP)]
    assert {kind.plural for kind in KINDS} <= {
        name.partition(".")[0] for name in of_kind(objects, "CustomResourceDefinition")
    }


def test_presets_and_catalogue_are_opt_in(render: Render) -> None:
    assert not seed_objects(render())
    assert not of_kind(render(), "Job")
    assert set(seed_objects(render(*PRESETS))) == {"secnumcloud", "hds", "sovereign-strict"}
    assert {"secnumcloud", "outscale-cloudgouv", "bleu"} <= set(seed_objects(render(*BOTH)))


def test_what_is_created_is_what_the_files_say(render: Render) -> None:
    files = [CHART / "files" / name for name in ("presets.yaml", "catalogue.yaml")]
    written = [obj for file in files for obj in yaml.safe_load_all(file.read_text(encoding="utf-8")) if obj]
    assert seed_objects(render(*BOTH)) == {obj["metadata"]["name"]: obj for obj in written}


def test_no_tool_takes_what_is_created_for_a_part_of_the_release(render: Render) -> None:
    """Argo CD may identify its objects by a label, and deletes those that no manifest contains."""
    assert all(set(obj["metadata"]) == {"name"} for obj in seed_objects(render(*BOTH)).values())


def test_no_upgrade_takes_away_the_record_of_what_was_created(render: Render) -> None:
    for options in ((), PRESETS, BOTH):
        found = of_kind(render(*options), "ConfigMap")
        assert set(found[seeding.CONFIG_MAP]["data"]) == {seeding.OBJECTS}
        assert "data" not in found[seeding.RECORD]


@pytest.mark.parametrize(
    ("options", "plurals"), [(PRESETS, ["sovereigntypolicies"]), (BOTH, ["cloudservices", "sovereigntypolicies"])]
)
def test_the_seed_may_only_create(render: Render, options: tuple[str, ...], plurals: list[str]) -> None:
    objects = render(*options)
    rules = of_kind(objects, "ClusterRole")["sovereign-seed"]["rules"]
    assert rules == [{"apiGroups": [GROUP], "resources": plurals, "verbs": ["create"]}]


def test_the_seed_may_not_write_what_people_create_from(render: Render) -> None:
    """A command in the documentation creates these objects with the rights of a cluster admin."""
    rules = of_kind(render(*BOTH), "Role")["sovereign-seed"]["rules"]
    assert {
        name: {verb for rule in rules if name in rule["resourceNames"] for verb in rule["verbs"]}
        for name in (seeding.CONFIG_MAP, seeding.RECORD)
    } == {seeding.CONFIG_MAP: {"get"}, seeding.RECORD: {"get", "patch"}}
    assert all(rule["resources"] == ["configmaps"] for rule in rules)


def test_the_guard_lets_through_what_is_shipped_with_the_defaults_of_its_kind(render: Render) -> None:
    """The API server compares it with an object in which all defaults are set."""
    assert GUARD not in of_kind(render(), "ValidatingAdmissionPolicy")
    for options in (PRESETS, BOTH):
        objects = render(*options)
        shipped = seed_objects(objects).values()
        guard = of_kind(objects, "ValidatingAdmissionPolicy")[GUARD]["spec"]
        kinds = {kind.name: kind for kind in KINDS}
        demands = {
            quoted(f"{obj['kind']}/{obj['metadata']['name']}"): cel(
                with_defaults(schema_of(kinds[obj["kind"]], "spec"), obj["spec"])
            )
            for obj in shipped
        }
        (listed,) = (entry["expression"] for entry in guard["variables"] if entry["name"] == "shipped")
        assert listed == f"['', {', '.join(demands)}]"
        expressions = [entry["expression"] for entry in guard["validations"]][2:]
        assert expressions == [f"variables.name != {name} || object.spec == {spec}" for name, spec in demands.items()]


def quoted(text: str) -> str:
    """Return a CEL string as Helm writes it."""
    return json.dumps(text, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def cel(value: Any) -> str:
    """Return CEL for a value."""
    match value:
        case dict():
            return f"dyn({{{', '.join(f'{quoted(key)}: {cel(value[key])}' for key in sorted(value))}}})"
        case list():
            return f"dyn([{', '.join(map(cel, value))}])"
        case str():
            return f"dyn({quoted(value)})"
    return f"dyn({json.dumps(value)})"


def test_another_job_has_another_name(render: Render) -> None:
    """The template of a Job cannot be changed, so an upgrade that changed it would fail."""
    rendered = [
        job(render(*options))
        for options in (
            PRESETS,
            BOTH,
            (*PRESETS, "--set", "image.tag=v2"),
            (*PRESETS, "--set", "controller.logLevel=debug"),
        )
    ]
    assert len({found["metadata"]["name"] for found in rendered}) == len(rendered)
    assert job(render(*PRESETS)) == rendered[0]


def test_it_runs_where_the_controller_may_and_takes_what_the_chart_tells_it(
    render: Render, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = (
        "--set",
        "controller.nodeSelector.a=b,controller.tolerations[0].operator=Exists,imagePullSecrets[0].name=x",
    )
    objects = render(*PRESETS, *choice)
    pod = job(objects)["spec"]["template"]["spec"]
    controller = of_kind(objects, "Deployment")["sovereign-controller"]["spec"]["template"]["spec"]
    for field in ("imagePullSecrets", "nodeSelector", "tolerations", "securityContext", "priorityClassName"):
        assert pod[field] == controller[field]
    (container,), (theirs,) = pod["containers"], controller["containers"]
    for field in ("image", "imagePullPolicy", "resources", "securityContext"):
        assert container[field] == theirs[field]
    assert container["command"][-1] == seed.__name__
    monkeypatch.setenv("POD_NAMESPACE", "sovereign-system")
    assert seeding.parse(container["args"]).namespace == "sovereign-system"


@pytest.mark.parametrize("way", ["--set", "--values"])
def test_what_is_switched_off_by_hand_is_off_in_a_local_installation(way: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("{identity: {enabled: false}, encryption: {enabled: false}}", encoding="utf-8")
    given = "identity.enabled=false,encryption.enabled=false" if way == "--set" else str(file)
    own = ("--values", "-", way, given, "--kube-version", "1.37.2")
    done = run_helm("template", "release", str(CHART), *own, stdin=yaml.safe_dump(VALUES))
    assert done.returncode == 0, done.stderr
    deployments = of_kind([obj for obj in yaml.safe_load_all(done.stdout) if obj], "Deployment", "DaemonSet")
    assert set(deployments) == {"sovereign-controller"}


def test_encryption_without_identity_says_what_to_do() -> None:
    refused = template("--set", "encryption.enabled=true")
    assert "encryption.enabled needs identity.enabled" in refused.stderr
    assert "enable both, or neither" in refused.stderr
