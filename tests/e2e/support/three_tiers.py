"""A hospital's application of three tiers: visitors send requests to a web server, which keeps a PostgreSQL session.

A clerk also queries the database, with PostgreSQL's own client. Web server, visitors and clerk are in scope of one
policy, database and jobs of another; the two policies trust each other.
"""

from typing import Any

from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.observed import living_pods
from tests.e2e.support.peers import PYTHON
from tests.e2e.support.three_tiers_programs import BOOK, CLERK, DB_PORT, VISIT, WEB, WEB_PORT

POSTGRES = "docker.io/library/postgres:15"
FRONT_NODE, BACK_NODE = "lyon-1", "brest-1"


def _container(name: str, image: str, command: list[str], uid: int = 1000, gid: int = 1000, **more: Any) -> Json:
    """Return a container that Pod Security restricted allows."""
    context = {
        "runAsNonRoot": True,
        "runAsUser": uid,
        "runAsGroup": gid,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    made = {"name": name, "image": image, "imagePullPolicy": "IfNotPresent", "securityContext": context}
    return made | ({"command": command} if command else {}) | more


def _deployment(node: str, container: Json, **spec: Any) -> Json:
    labels = {"app": container["name"]}
    where = {"kubernetes.io/hostname": node}
    pod = {"nodeSelector": where, "terminationGracePeriodSeconds": 2, "containers": [container], **spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": container["name"]},
        "spec": {
            "selector": {"matchLabels": labels},
            "strategy": {"type": "Recreate"},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _service(name: str, port: int) -> Json:
    spec: Json = {"selector": {"app": name}, "ports": [{"port": port}]}
    # A kubelet that has just restarted reports pods as not ready for a moment.
    spec["publishNotReadyAddresses"] = True
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def _batch(image: str, *command: str) -> Json:
    container = _container("job", image, ["python3", "-c", *command])
    return {"spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}}


class ThreeTiers:
    """The application, in two namespaces."""

    def __init__(self, admin: Kubectl, front: str, back: str) -> None:
        self._admin, self.front, self.back = admin, front, back
        self._jobs = 0

    def start(self) -> None:
        """Start everything, and wait until the visitor gets answers."""
        for namespace in (self.front, self.back):
            self._admin.run("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
        data = {"name": "data", "emptyDir": {}}
        database = _container(
            "database",
            POSTGRES,
            [],
            uid=100,
            gid=102,
            env=[{"name": "POSTGRES_HOST_AUTH_METHOD", "value": "trust"}, {"name": "PGDATA", "value": "/data/db"}],
            volumeMounts=[{"name": "data", "mountPath": "/data"}],
            readinessProbe={"tcpSocket": {"port": DB_PORT}, "periodSeconds": 1},
        )
        access = {"volumes": [data], "securityContext": {"fsGroup": 102}}
        self._admin.apply(
            _service("database", DB_PORT), _deployment(BACK_NODE, database, **access), namespace=self.back
        )
        self._roll_out(self.back, "database")
        web = _container(
            "web",
            PYTHON,
            ["python3", "-c", WEB, f"database.{self.back}"],
            readinessProbe={"tcpSocket": {"port": WEB_PORT}, "periodSeconds": 1},
        )
        visitor = _container("visitor", PYTHON, ["python3", "-c", VISIT, "web"])
        clerk = _container("clerk", POSTGRES, ["sh", "-c", CLERK, "sh", f"database.{self.back}"])
        self._admin.apply(
            _service("web", WEB_PORT),
            _deployment(FRONT_NODE, web),
            _deployment(FRONT_NODE, visitor),
            _deployment(FRONT_NODE, clerk),
            namespace=self.front,
        )
        self._roll_out(self.front, "web", "visitor", "clerk")
        self.goes_on()

    def restart(self, *apps: str) -> None:
        """Restart applications one after the other; visitor and clerk start counting from zero again."""
        for app in apps:
            namespace = self.back if app == "database" else self.front
            self._admin.run("-n", namespace, "rollout", "restart", f"deployment/{app}")
            self._roll_out(namespace, app)

    def _roll_out(self, namespace: str, *apps: str) -> None:
        for app in apps:
            self._admin.run("-n", namespace, "rollout", "status", f"deployment/{app}", "--timeout=120s")
            eventually(lambda app=app: len(living_pods(self._admin, namespace, f"app={app}")) == 1, what=f"one {app}")  # type: ignore[misc]

    def visits(self) -> tuple[int, int, int]:
        """Return how many requests the visitor sent, how many failed, and how many sessions the web server opened."""
        lines = [line.split() for line in self._said("visitor") if line.startswith("asked")]
        # The last request may have had no answer.
        sessions = [int(line[5]) for line in lines if len(line) > 5]
        return (int(lines[-1][1]), int(lines[-1][3]), sessions[-1] if sessions else 0) if lines else (0, 0, 0)

    def queries(self) -> tuple[int, int]:
        """Return how many answers the clerk got: in the session that is kept, and in new ones."""
        said = self._said("clerk")
        return said.count("asked kept"), said.count("asked new")

    def failures(self) -> list[str]:
        """Return the failures of visitor and clerk: every line of their logs that does not count requests."""
        return [
            f"{who}: {line}" for who in ("visitor", "clerk") for line in self._said(who) if not line.startswith("asked")
        ]

    def goes_on(self, rounds: int = 40) -> None:
        """Wait for more requests from visitor and clerk, and check that none failed."""
        (visits, *_), (kept, new) = self.visits(), self.queries()
        eventually(lambda: self.visits()[0] >= visits + rounds, what="more visits")
        eventually(
            lambda: self.queries()[0] >= kept + rounds / 4 and self.queries()[1] >= new + rounds / 4,
            what="more queries",
        )
        failures = self.failures()
        assert not failures, failures[:3]

    def _said(self, who: str) -> list[str]:
        return self._admin.run("-n", self.front, "logs", f"deployment/{who}", "-c", who).splitlines()

    def do_a_job(self) -> None:
        """Run a Job in the database's namespace, and wait until it is complete."""
        self._jobs += 1
        name = f"book-{self._jobs}"
        kind = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}}
        self._admin.apply(kind | _batch(PYTHON, BOOK, "database", f"web.{self.front}"), namespace=self.back)
        self._admin.run("-n", self.back, "wait", f"job/{name}", "--for=condition=Complete", "--timeout=90s")

    def do_jobs_on_schedule(self) -> None:
        """Create a CronJob, and wait until a scheduled Job has succeeded."""
        kind = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "books"}}
        job = _batch(PYTHON, BOOK, "database", f"web.{self.front}")
        self._admin.apply(kind | {"spec": {"schedule": "* * * * *", "jobTemplate": job}}, namespace=self.back)
        eventually(
            lambda: self._admin.get("cronjob", "books", self.back)["status"].get("lastSuccessfulTime"),
            seconds=150,
            what="a job that was due",
        )
        self._admin.delete("cronjob", "books", namespace=self.back)
