"""The table of requests to workloads (``QUESTIONS``) matches the manifests."""

import pytest

from tests.workloads import QUESTIONS, Complete, Manifest, list_manifests, list_running


def _find(path: str) -> Manifest:
    return next(manifest for manifest in list_manifests() if manifest.path == path)


def test_there_are_as_many_manifests_as_were_copied() -> None:
    assert len(list_manifests()) == 72


def test_more_than_ten_manifests_run_for_real_and_answer() -> None:
    assert len(QUESTIONS) > 10
    assert set(QUESTIONS) <= {manifest.path for manifest in list_running()}


def test_what_runs_but_is_not_asked_is_known() -> None:
    unasked = {manifest.path for manifest in list_running()} - set(QUESTIONS)
    assert unasked == {"kueue-examples/site/static/examples/jobs/sample-scalable-job.yaml"}


@pytest.mark.parametrize("path", QUESTIONS)
def test_every_workload_of_a_file_is_asked(path: str) -> None:
    workloads = [
        f"{document['kind']}/{document['metadata'].get('name') or document['metadata']['generateName']}"
        for document in _find(path).documents
        if document["kind"] not in {"Service", "ServiceAccount"}
    ]
    assert [question.workload for question in QUESTIONS[path]] == workloads


@pytest.mark.parametrize("path", QUESTIONS)
def test_jobs_answer_by_completing_and_nothing_else_does(path: str) -> None:
    for question in QUESTIONS[path]:
        assert isinstance(question.ask, Complete) == ("Job/" in question.workload)


@pytest.mark.parametrize(
    ("path", "obstacles"),
    [
        (
            "kubernetes-examples/_archived/volumes/vsphere/deployment.yaml",
            ("volume vsphereVolume",),
        ),
        (
            "kubernetes-examples/_archived/volumes/vsphere/simple-statefulset.yaml",
            ("volume persistentVolumeClaim",),
        ),
        (
            "argocd-example-apps/guestbook/guestbook-ui-deployment.yaml",
            ("image gcr.io/google-samples/gb-frontend:v5",),
        ),
    ],
)
def test_a_manifest_says_what_keeps_it_from_running(path: str, obstacles: tuple[str, ...]) -> None:
    assert _find(path).obstacles == obstacles


def test_generated_names_are_seen() -> None:
    generated = {manifest.path for manifest in list_manifests() if manifest.has_generated_names}
    assert generated == {
        "argocd-example-apps/sync-waves/manifests.yaml",
        "kueue-examples/site/static/examples/jobs/sample-job.yaml",
    }
