"""Connects to the cluster that a person's kubeconfig names, with that person's credentials.

Tokens, client certificates, credential plugins (exec) and impersonation (``as``, ``--as``) work as with kubectl.
Without any kubeconfig, a program that runs in a pod uses the pod's service account.
"""

import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from kubernetes.aio import client, config
from kubernetes.aio.config.kube_config import KubeConfigLoader, KubeConfigMerger

from sovereign_operator.cli.errors import CliError, why_failed
from sovereign_operator.core.report.conditions import MAX_MESSAGE
from sovereign_operator.core.report.reasons import line
from sovereign_operator.kube.client.api import Api
from sovereign_operator.kube.client.clock import ServerClock
from sovereign_operator.kube.client.errors import ApiError

IN_A_POD: Final = "KUBERNETES_SERVICE_HOST"
POD_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
IMPERSONATED: Final = {"as": "Impersonate-User", "as-uid": "Impersonate-Uid"}


@dataclass(frozen=True)
class Access:
    """Which cluster to ask, and as whom. An empty value stands for kubectl's default."""

    kubeconfig: str = ""
    context: str = ""
    user: str = ""
    """The user to impersonate."""
    groups: tuple[str, ...] = ()
    """The groups to impersonate."""


@dataclass(frozen=True)
class Connection:
    """A cluster that can be asked."""

    api: Api
    server: str
    namespace: str
    """The namespace of the context."""


@asynccontextmanager
async def connected(access: Access) -> AsyncIterator[Connection]:
    """Connect while the context lasts. Raises CliError, also in place of any ApiError that is raised within."""
    configuration = client.Configuration(client_session_kwargs={"trust_env": False})
    try:
        namespace = await _load(access, configuration)
        api_client = client.ApiClient(configuration)
    except CliError:
        raise
    except Exception as error:  # whatever a kubeconfig can contain makes the library raise whatever it may
        message = f"the kubeconfig cannot be used: {line(str(error) or repr(error), MAX_MESSAGE)}: correct it"
        raise CliError(message) from error
    async with api_client:
        try:
            yield Connection(Api(api_client, ServerClock()), configuration.host, namespace)
        except ApiError as error:
            raise CliError(why_failed(error, configuration.host)) from error


async def _load(access: Access, configuration: client.Configuration) -> str:
    """Read credentials into a configuration, and return the namespace of the context."""
    files = _files(access.kubeconfig)
    if not files and access.kubeconfig:
        raise CliError(f"there is no file {access.kubeconfig}: correct --kubeconfig")
    if not files and IN_A_POD in os.environ:
        config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        _impersonate({}, access, configuration)
        return POD_NAMESPACE.read_text(encoding="utf-8").strip()
    if not files:
        raise CliError("there is no kubeconfig: give one with --kubeconfig or in the environment's KUBECONFIG")
    merged = _merged(files)
    context = _context(access, merged)
    loader = KubeConfigLoader(merged, active_context=context["name"])  # type: ignore[no-untyped-call]
    with _complaints() as said:
        await loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
    if said:
        raise CliError(
            f"the kubeconfig's credential plugin failed: {said[0]}: run that program by hand, or log in again"
        )
    _impersonate(_user(merged, context["context"].get("user", "")), access, configuration)
    _follow_proxies(configuration)
    return str(context["context"].get("namespace") or "default")


def contexts_of(kubeconfig: str) -> list[str]:
    """Return the names of the contexts of a kubeconfig, which is by default that of kubectl. Raises what it may."""
    files = _files(kubeconfig)
    return [entry.value["name"] for entry in _merged(files).value["contexts"]] if files else []


def _merged(files: list[str]) -> Any:
    return KubeConfigMerger(os.pathsep.join(files)).config  # type: ignore[no-untyped-call]


def _files(kubeconfig: str) -> list[str]:
    """Return the files to read, by default those that kubectl reads. As with kubectl, missing ones do not matter."""
    named = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    return [path for path in named.split(os.pathsep) if path and Path(path).expanduser().exists()]


def _context(access: Access, merged: Any) -> dict[str, Any]:
    """Return the context to use, with its name."""
    contexts = {entry.value["name"]: entry.value for entry in merged.value["contexts"]}
    wanted = access.context or merged.value.get("current-context")
    if not wanted:
        raise CliError("the kubeconfig has no current context: give one with --context")
    if wanted not in contexts:
        known = ", ".join(sorted(contexts)) or "none"
        raise CliError(f"the kubeconfig has no context {wanted}: correct --context; there are: {known}")
    found: dict[str, Any] = contexts[wanted]
    return found


def _user(merged: Any, name: str) -> dict[str, Any]:
    """Return a user of a kubeconfig; empty if there is none of this name."""
    return next((entry.value.get("user") or {} for entry in merged.value["users"] if entry.value["name"] == name), {})


def _impersonate(user: dict[str, Any], access: Access, configuration: client.Configuration) -> None:
    """Ask as the user whom the caller or the kubeconfig impersonates.

    The library ignores what the kubeconfig says of it, and would ask with more rights. As with kubectl, each option
    takes the place of one field of the kubeconfig.
    """
    given = {"as": access.user, "as-groups": access.groups}
    found = user | {field: value for field, value in given.items() if value}
    if found.get("as-groups") and not found.get("as"):
        raise CliError("--as-group names the groups of a user: give the user as well, with --as")
    headers = [(header, found[field]) for field, header in IMPERSONATED.items() if found.get(field)]
    headers += [("Impersonate-Group", group) for group in found.get("as-groups") or ()]
    extra = (found.get("as-user-extra") or {}).items()
    headers += [(f"Impersonate-Extra-{key}", value) for key, values in extra for value in values]
    if headers:
        configuration.client_session_kwargs = {**(configuration.client_session_kwargs or {}), "headers": headers}


def _follow_proxies(configuration: client.Configuration) -> None:
    """Use the environment's proxy as kubectl does, unless the kubeconfig names one."""
    address = urlsplit(configuration.host)
    if not configuration.proxy and not proxy_bypass(address.hostname or ""):
        configuration.proxy = getproxies().get(address.scheme)


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect what the library logs as errors: it logs why a credential plugin failed, and goes on without it."""
    said: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(line(record.getMessage(), MAX_MESSAGE))

    logger, collector = logging.getLogger("kubernetes.aio.config"), Collector(logging.ERROR)
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(collector)
    try:
        yield said
    finally:
        logger.removeHandler(collector)
        logger.propagate = propagates
