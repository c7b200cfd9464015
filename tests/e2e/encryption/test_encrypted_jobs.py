"""Jobs end as without sidecars: by the exit codes of their own containers, and each index by itself."""

from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.manifests import workload
from tests.e2e.support.sidecars import sidecar_of
from tests.e2e.support.spaces import Space

INDEX = "batch.kubernetes.io/job-completion-index"


def job(name: str, program: str, **spec: object) -> Json:
    """Return a Job that runs a shell program, whose spec has more fields."""
    made = workload("Job", name, 1)
    made["spec"] |= spec
    made["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh", "-c", program]
    return made


def pods_of(admin: Kubectl, namespace: str, name: str) -> list[Json]:
    """Return the pods of a Job, each of which has a sidecar."""
    found = admin.list("pods", namespace, f"batch.kubernetes.io/job-name={name}")
    assert all(sidecar_of(each) for each in found)
    return found


def ended(admin: Kubectl, namespace: str, name: str) -> tuple[str, str]:
    """Wait until a Job has ended, and return how, and its reason."""

    def seen() -> tuple[str, str]:
        conditions = admin.get("job", name, namespace).get("status", {}).get("conditions", ())
        found = [each for each in conditions if each["type"] in {"Complete", "Failed"} and each["status"] == "True"]
        assert found, conditions
        return found[0]["type"], found[0].get("reason", "")

    return eventually(seen, seconds=120, what=f"the end of Job {name}")


def test_a_sidecar_fails_no_job(admin: Kubectl, space: Space, transit: str) -> None:
    """Whatever a rule makes of all containers: it is the application that it judges."""
    namespace = space(transit)
    # All exit codes but 42 fail the whole Job: so 137 or 143 of a sidecar would.
    but_42 = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [42]}}]}
    named = {
        "rules": [{"action": "FailJob", "onExitCodes": {"containerName": "idle", "operator": "In", "values": [42]}}]
    }
    jobs = (
        job("retried", "exit 42", backoffLimit=1, podFailurePolicy=but_42),
        job("named", "exit 42", backoffLimit=5, podFailurePolicy=named),
        job("succeeds", "exit 0", backoffLimit=0, podFailurePolicy=but_42),
    )
    admin.apply(*jobs, namespace=namespace)
    ends = {name: ended(admin, namespace, name) for name in ("retried", "named", "succeeds")}
    assert ends["retried"] == ("Failed", "BackoffLimitExceeded")
    assert ends["named"] == ("Failed", "PodFailurePolicy")
    assert ends["succeeds"][0] == "Complete"
    assert len(pods_of(admin, namespace, "retried")) == 2
    for pod in (each for name in ends for each in pods_of(admin, namespace, name)):
        (status,) = pod["status"]["initContainerStatuses"]
        assert status["state"]["terminated"]["exitCode"] == 0, status
        assert not status["restartCount"]


def test_each_index_of_a_job_ends_by_itself(admin: Kubectl, space: Space, transit: str) -> None:
    namespace = space(transit)
    fail_index = {"rules": [{"action": "FailIndex", "onExitCodes": {"operator": "NotIn", "values": [0]}}]}
    indexed = {"completions": 3, "parallelism": 3, "completionMode": "Indexed"}
    programs = 'exit "$((JOB_COMPLETION_INDEX == 1))"'
    jobs = (
        job("indexed", programs, **indexed, backoffLimitPerIndex=1, podFailurePolicy=fail_index),
        job("leader", programs, **indexed, backoffLimit=6, successPolicy={"rules": [{"succeededIndexes": "0"}]}),
    )
    admin.apply(*jobs, namespace=namespace)
    assert ended(admin, namespace, "indexed") == ("Failed", "FailedIndexes")
    status = admin.get("job", "indexed", namespace)["status"]
    assert (status["completedIndexes"], status["failedIndexes"]) == ("0,2", "1")
    indexes = [each["metadata"]["annotations"][INDEX] for each in pods_of(admin, namespace, "indexed")]
    assert sorted(indexes) == ["0", "1", "2"]
    assert ended(admin, namespace, "leader")[0] == "Complete"
