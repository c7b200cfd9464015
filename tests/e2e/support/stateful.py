"""Applications as operators run them: Redis with Sentinel, PostgreSQL with a standby, and nginx in front of others."""

from typing import Any, Final

from hack.kubectl import Json

REDIS: Final = "docker.io/library/redis:7.2"
POSTGRES: Final = "docker.io/library/postgres:15"
NGINX: Final = "docker.io/library/nginx:latest"
IMAGES: Final = (REDIS, POSTGRES, NGINX)

MASTER: Final = "records"

_SERVE: Final = f"""
own=$(hostname -i)
set -- redis-server --protected-mode no
while :; do
    master=$(timeout 5 redis-cli -h sentinel -p 26379 --raw sentinel get-master-addr-by-name {MASTER} | head -n 1)
    case "$master" in
    "$own") break ;;
    [0-9]*) timeout 5 redis-cli -h "$master" ping | grep -q PONG && set -- "$@" --replicaof "$master" 6379 && break ;;
    *) test "$(hostname)" = redis-0 || set -- "$@" --replicaof redis-0.redis 6379; break ;;
    esac
    sleep 1
done
exec "$@"
"""
"""A server that comes again follows the master that the Sentinels have chosen meanwhile.

It waits until they have: no Sentinel would tell it later, as none of them knows a server that never had a master.
"""

_WATCH: Final = f"""
until master=$(getent hosts redis-0.redis | cut -d' ' -f1) && test "$master"; do sleep 1; done
cat >/tmp/sentinel.conf <<END
port 26379
protected-mode no
sentinel monitor {MASTER} $master 6379 2
sentinel down-after-milliseconds {MASTER} 3000
sentinel failover-timeout {MASTER} 10000
END
exec redis-server /tmp/sentinel.conf --sentinel
"""
_CLONE: Final = """
test "$(hostname)" = postgres-0 && exit 0
chown postgres:postgres "$PGDATA" && chmod 700 "$PGDATA"
until setpriv --reuid=postgres --regid=postgres --init-groups -- \
    pg_basebackup -h postgres-0.postgres -U postgres -D "$PGDATA" -R -X stream
do sleep 1; done
"""
"""What a standby does first: it copies its primary, and will follow it."""

_ALLOW: Final = 'echo "host replication all all trust" >>"$PGDATA/pg_hba.conf"\n'
_DATA: Final = "/var/lib/postgresql/data"

_PROXY: Final = "server { listen 80; location / { proxy_pass http://behind; } }\n"


def container(name: str, image: str, **fields: Any) -> Json:
    """Return a container whose image is there already."""
    return {"name": name, "image": image, "imagePullPolicy": "IfNotPresent", **fields}


def _set(kind: str, name: str, replicas: int, spec: Json, **fields: Any) -> Json:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 2, **spec}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **fields},
    }


def _service(name: str, port: int, *, headless: bool = True) -> Json:
    spec: Json = {"selector": {"app": name}, "ports": [{"port": port}], "publishNotReadyAddresses": True}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": spec | ({"clusterIP": "None"} if headless else {}),
    }


def redis() -> list[Json]:
    """Return a master with two replicas, and three Sentinels.

    The others know each by the address that it connects from. As with spotahome's redis-operator, each probes itself by
    the name of its pod.
    """
    server = container(
        "redis",
        REDIS,
        command=["sh", "-c", _SERVE],
        ports=[{"containerPort": 6379}],
        readinessProbe={"exec": {"command": ["sh", "-c", "redis-cli -h $(hostname) ping | grep PONG"]}},
    )
    watcher = container(
        "sentinel",
        REDIS,
        command=["sh", "-c", _WATCH],
        ports=[{"containerPort": 26379}],
        livenessProbe={"exec": {"command": ["sh", "-c", "redis-cli -h $(hostname) -p 26379 ping"]}},
    )
    return [
        _service("redis", 6379),
        _service("sentinel", 26379, headless=False),
        _set("StatefulSet", "redis", 3, {"containers": [server]}, serviceName="redis", podManagementPolicy="Parallel"),
        _set("Deployment", "sentinel", 3, {"containers": [watcher]}),
    ]


def postgres() -> list[Json]:
    """Return a primary and a standby that streams from it."""
    variables = [{"name": "POSTGRES_HOST_AUTH_METHOD", "value": "trust"}, {"name": "PGDATA", "value": _DATA}]
    data = {"name": "data", "mountPath": _DATA}
    server = container(
        "postgres",
        POSTGRES,
        env=variables,
        ports=[{"containerPort": 5432}],
        readinessProbe={"tcpSocket": {"port": 5432}},
        volumeMounts=[data, {"name": "init", "mountPath": "/docker-entrypoint-initdb.d"}],
    )
    cloning = container("clone", POSTGRES, command=["sh", "-c", _CLONE], env=variables, volumeMounts=[data])
    spec = {
        "initContainers": [cloning],
        "containers": [server],
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "init", "configMap": {"name": "postgres"}}],
    }
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "postgres"}, "data": {"allow.sh": _ALLOW}},
        _service("postgres", 5432),
        _set("StatefulSet", "postgres", 2, spec, serviceName="postgres", podManagementPolicy="Parallel"),
    ]


def nginx() -> list[Json]:
    """Return a server that clients from outside reach, and one behind it."""
    probe = {"httpGet": {"port": 80, "path": "/"}}
    ports = [{"containerPort": 80}]
    configured = [{"name": "sites", "mountPath": "/etc/nginx/conf.d"}]
    front = container("nginx", NGINX, ports=ports, readinessProbe=probe, volumeMounts=configured)
    volumes = [{"name": "sites", "configMap": {"name": "front"}}]
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "front"}, "data": {"default.conf": _PROXY}},
        _service("behind", 80, headless=False),
        _set("Deployment", "behind", 1, {"containers": [container("nginx", NGINX, ports=ports, readinessProbe=probe)]}),
        _set("Deployment", "front", 1, {"containers": [front], "volumes": volumes}),
    ]
