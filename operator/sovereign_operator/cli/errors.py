"""Failures, as sentences: what happened, and what to do about it."""

from typing import Final

from sovereign_operator.kube.client.errors import ApiError

UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403


class CliError(Exception):
    """The question cannot be answered. The text says why, and what to do."""


def may_not_read(what: str, namespace: str) -> CliError:
    """Return the error of somebody who may not read what a question is about. ``namespace``: empty for the cluster."""
    where = f" in namespace {namespace}" if namespace else ""
    who = f"an admin of namespace {namespace} for `view`" if namespace else "a cluster admin for this right"
    return CliError(f"you may not read {what}{where}: ask {who}")


def why_failed(error: ApiError, server: str) -> str:
    """Say why a request failed and what to do. ``server`` is the address of the API server."""
    if error.status == UNAUTHORIZED:
        return f"the API server {server} does not accept your credentials: log in again, or choose another --context"
    if error.status == FORBIDDEN:
        return f"the API server refuses: {error.message}. Ask a cluster admin for this right"
    if error.status:
        return f"the API server {server} answered with an error: {error}. Try again"
    cause = error.__cause__
    detail = str(cause) or type(cause).__name__ if cause else error.message
    advice = "check --context, the network, and whether the cluster runs"
    return f"the API server {server} does not answer ({detail}): {advice}"
