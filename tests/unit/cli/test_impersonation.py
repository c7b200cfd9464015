"""As whom the client asks: the options take the place of what the kubeconfig says, field by field."""

from typing import Any

import pytest
from kubernetes.aio import client

from sovereign_operator.cli.connection import Access, _impersonate
from sovereign_operator.cli.errors import CliError


def headers(user: dict[str, Any], access: Access) -> set[tuple[str, str]]:
    """Return the headers by which a user of a kubeconfig impersonates somebody."""
    configuration = client.Configuration()
    _impersonate(user, access, configuration)
    return {*(configuration.client_session_kwargs or {}).get("headers", ())}


def test_groups_may_join_the_user_that_the_kubeconfig_impersonates() -> None:
    user = {"as": "ann", "as-groups": ["old"]}
    assert headers(user, Access(groups=("new",))) == {("Impersonate-User", "ann"), ("Impersonate-Group", "new")}


def test_groups_without_a_user_are_an_error() -> None:
    with pytest.raises(CliError, match="--as-group names the groups of a user"):
        headers({}, Access(groups=("new",)))


def test_nobody_is_impersonated_unasked() -> None:
    assert headers({}, Access()) == set()
