"""Image names are completed as Docker completes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hack.images.names import make_file_name, qualify

_DIGEST = "sha256:" + "0" * 64
_PART = st.from_regex(r"[a-z0-9]+([._-][a-z0-9]+)*", fullmatch=True)


@pytest.mark.parametrize(
    ("name", "qualified"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("redis:7.2", "docker.io/library/redis:7.2"),
        ("minio/minio", "docker.io/minio/minio:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/library/nginx:1", "docker.io/library/nginx:1"),
        ("docker.io/curlimages/curl:8.16.0", "docker.io/curlimages/curl:8.16.0"),
        ("registry.k8s.io/x:y", "registry.k8s.io/x:y"),
        ("gcr.io/google_samples/gb-redisslave:v1", "gcr.io/google_samples/gb-redisslave:v1"),
        ("localhost/sovereign-operator:dev", "localhost/sovereign-operator:dev"),
        ("localhost:5000/x", "localhost:5000/x:latest"),
        ("host:5000/a/b:c", "host:5000/a/b:c"),
        (f"nginx@{_DIGEST}", f"docker.io/library/nginx@{_DIGEST}"),
    ],
)
def test_a_short_name_means_a_full_one(name: str, qualified: str) -> None:
    assert qualify(name) == qualified


@pytest.mark.parametrize("name", ["", " nginx", "nginx\n"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not an image name"):
        qualify(name)


@given(st.lists(_PART, min_size=1, max_size=4), st.none() | _PART)
def test_a_full_name_stays_as_it_is(parts: list[str], tag: str | None) -> None:
    full = qualify("/".join(parts) + (f":{tag}" if tag else ""))
    assert qualify(full) == full


def test_a_file_name_has_no_folders() -> None:
    assert make_file_name("localhost:5000/a/b:c") == "localhost_5000_a_b_c"
