"""A hospital's application of three tiers: visitors send requests to a web server, which keeps a PostgreSQL session.

A clerk also queries the database, with PostgreSQL's own client. Web server, visitors and clerk are in scope of one
policy, database and jobs of another; the two policies trust each other.
"""

from typing import Any

from hack.kubectl import Json, Kubectl, eventually
from tests.e2e.support.observed import living_pods
from tests.e2e.support.peers import PYTHON

POSTGRES = "docker.io/library/postgres:15"
WEB_PORT, DB_PORT = 8080, 5432
FRONT_NODE, BACK_NODE = "lyon-1", "brest-1"

SESSION = f"""
import socket, struct

class Session:
    "One session with PostgreSQL, by its simple query protocol."

    def __init__(self, host):
        self.connection = socket.create_connection((host, {DB_PORT}), 10)
        words = b"user\\0postgres\\0database\\0postgres\\0\\0"
        self.connection.sendall(struct.pack("!ii", len(words) + 8, 196608) + words)
        self.until_ready()

    def exactly(self, number):
        found = b""
        while len(found) < number:
            got = self.connection.recv(number - len(found))
            if not got:
                raise OSError("the session has ended")
            found += got
        return found

    def until_ready(self):
        kind = b""
        while kind != b"Z":
            kind, length = struct.unpack("!ci", self.exactly(5))
            said = self.exactly(length - 4)
            if kind == b"E":
                raise OSError(said)

    def ask(self, query):
        words = query.encode() + b"\\0"
        self.connection.sendall(b"Q" + struct.pack("!i", len(words) + 4) + words)
        self.until_ready()
"""

WEB = f"""
{SESSION}
import http.server, sys, threading
lock, session, sessions, queries = threading.Lock(), None, 0, 0

class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        global session, sessions, queries
        status = 200
        with lock:
            try:
                if session is None:
                    session = Session(sys.argv[1])
                    sessions += 1
                    session.ask("create table if not exists visits (at timestamptz)")
                session.ask("insert into visits values (now())")
                queries += 1
            except OSError as error:
                session, status = None, 500
                print(error, flush=True)
        body = f"sessions {{sessions}} queries {{queries}}".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("", {WEB_PORT}), Web).serve_forever()
"""
"""Records each visit in one database session, which the first visit opens."""

VISIT = f"""
import http.client, sys, time
asked = failed = 0
kept = None

def ask(connection):
    connection.request("GET", "/")
    answer = connection.getresponse()
    body = answer.read().decode()
    if answer.status != 200:
        raise OSError(body)
    return body

def connect():
    return http.client.HTTPConnection(sys.argv[1], {WEB_PORT}, timeout=10)

while True:
    try:
        # What is counted begins once somebody is there.
        ask(connect())
        break
    except (OSError, http.client.HTTPException):
        time.sleep(0.2)
while True:
    said = ""
    for one in ("kept", "new"):
        asked += 1
        try:
            if one == "kept":
                kept = kept or connect()
                said = ask(kept)
            else:
                connection = connect()
                said = ask(connection)
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            failed += 1
            print("failed", one, repr(error), flush=True)
            if one == "kept":
                kept = None
    print("asked", asked, "failed", failed, said, flush=True)
    time.sleep(0.05)
"""
"""Sends requests without end: on one connection that is kept, and on a new one each time."""

CLERK = """
PATH=/usr/lib/postgresql/15/bin:$PATH
export PGHOST=$1 PGUSER=postgres PGCONNECT_TIMEOUT=10
until psql -c "" 2>/dev/null; do sleep 0.2; done
while :; do
    # Where it reads from a pipe, it does not connect again by itself.
    while echo "select 'asked kept';"; do sleep 0.2; done | stdbuf -oL psql -qAt -v ON_ERROR_STOP=1 2>&1
    echo failed kept
    sleep 0.2
done &
while :; do
    psql -qAtc "select 'asked new'" 2>&1 || echo failed new
    sleep 0.2
done
"""
"""Queries the database without end: in one session that is kept, and in a new one each time."""

BOOK = f"""
{SESSION}
import sys, urllib.request
Session(sys.argv[1]).ask("select count(*) from visits")
print(urllib.request.urlopen(f"http://{{sys.argv[2]}}:{WEB_PORT}/", timeout=10).read().decode())
"""
"""What a job does: it reads from the database and visits the web server."""


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
