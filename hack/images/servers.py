"""Stand-ins for servers, built from Debian's packages of the same servers.

Names, ports, folders, users and variables are those of the public images, as far as manifests rely on them.
"""

from collections.abc import Mapping

from hack.images import python
from hack.images.layers import Entry, Folder, Link
from hack.images.oci import ImageConfig
from hack.images.standin import FILES, StandIn, make_debian, read_script

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_ENTRYPOINT = "usr/local/bin/entrypoint.sh"


def list_servers() -> tuple[StandIn, ...]:
    """Return the stand-ins for servers. Nothing is built yet."""
    return (_NGINX, _REDIS, _REDIS_REPLICA, _POSTGRES, _PYTHON, _CURL, _PROMETHEUS)


_NGINX = make_debian(
    "nginx",
    "registry.k8s.io/nginx-slim:0.8",
    packages=["nginx"],
    files={
        "etc/nginx/nginx.conf": (FILES / "nginx/nginx.conf").read_bytes(),
        "etc/nginx/conf.d/default.conf": (FILES / "nginx/default.conf").read_bytes(),
        "var/log/nginx/access.log": Link("/dev/stdout"),
        "var/log/nginx/error.log": Link("/dev/stderr"),
    },
    config=ImageConfig(
        cmd=["nginx", "-g", "daemon off;"], env={"PATH": _PATH}, ports=["80/tcp"], stop_signal="SIGQUIT"
    ),
)

_REDIS_FILES: Mapping[str, Entry] = {
    _ENTRYPOINT: read_script("redis/entrypoint.sh"),
    "usr/local/bin/follow.sh": read_script("redis/follow.sh"),
    "data": Folder(),
}

_REDIS = make_debian(
    "redis",
    "redis:alpine",
    "redis:7.2",
    "registry.k8s.io/redis:e2e",
    packages=["redis-server"],
    files=_REDIS_FILES,
    config=ImageConfig(
        entrypoint=["entrypoint.sh"],
        cmd=["redis-server"],
        env={"PATH": _PATH},
        working_dir="/data",
        ports=["6379/tcp"],
        volumes=["/data"],
    ),
)

_REDIS_REPLICA = make_debian(
    "gcr.io/google_samples/gb-redisslave:v1",
    packages=["redis-server"],
    files=_REDIS_FILES,
    config=ImageConfig(
        cmd=["follow.sh"], env={"PATH": _PATH}, working_dir="/data", ports=["6379/tcp"], volumes=["/data"]
    ),
)

_POSTGRES = make_debian(
    "postgres",
    "postgres:15",
    packages=["postgresql-15"],
    # A third of the size is a compiler for long queries and a database that the entry point creates itself.
    script="""
    rm -rf /var/lib/postgresql/15 /usr/lib/postgresql/15/lib/bitcode /usr/lib/postgresql/15/lib/llvmjit*
    rm -f /usr/lib/*/libLLVM-14.so* /usr/lib/*/libz3.so*
    install -d -o postgres -g postgres -m 2775 /run/postgresql
    """,
    note="no just-in-time compiler",
    files={_ENTRYPOINT: read_script("postgres/entrypoint.sh"), "docker-entrypoint-initdb.d": Folder()},
    config=ImageConfig(
        entrypoint=["entrypoint.sh"],
        cmd=["postgres"],
        env={
            "PATH": f"{_PATH}:/usr/lib/postgresql/15/bin",
            "PGDATA": "/var/lib/postgresql/data",
            "LANG": "C.UTF-8",
        },
        ports=["5432/tcp"],
        volumes=["/var/lib/postgresql/data"],
        stop_signal="SIGINT",
    ),
)

_PYTHON = make_debian(
    "python:3",
    "python:3-slim",
    "python:3.11",
    "python:3.11-slim",
    packages=python.PACKAGES,
    script=python.SCRIPT,
    files={"usr/local/bin/python": Link("/usr/bin/python3")},
    note="no pip",
    config=ImageConfig(cmd=["python3"], env={"PATH": _PATH, "LANG": "C.UTF-8"}),
)

_CURL = make_debian(
    "curlimages/curl",
    "curlimages/curl:8.16.0",
    packages=["ca-certificates", "curl"],
    script="""
    groupadd -g 101 curl_group
    useradd -u 100 -g 101 -M -d /home/curl_user curl_user
    """,
    config=ImageConfig(entrypoint=["curl"], env={"PATH": _PATH}, user="100:101"),
)

_PROMETHEUS = make_debian(
    "prom/prometheus",
    packages=["prometheus"],
    # Most of the size are libraries of a user interface, and a program that no server needs.
    script="rm -rf /usr/bin/promtool /usr/share/prometheus/web /usr/share/nodejs /usr/share/javascript",
    note="no promtool, no user interface",
    config=ImageConfig(
        entrypoint=["prometheus"],
        cmd=["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"],
        env={"PATH": _PATH},
        ports=["9090/tcp"],
        volumes=["/prometheus"],
    ),
)
