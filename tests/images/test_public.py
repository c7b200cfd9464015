"""The list of public images: their names, and names that are refused."""

import pytest

from hack.images import public
from hack.images.errors import ImageBuildError
from hack.images.names import qualify


def test_names_are_full_and_nobody_has_the_same() -> None:
    names = [name for stand_in in public.list_stand_ins() for name in stand_in.names]
    assert sorted(map(qualify, names)) == list(public.available())
    assert len(set(public.available())) == len(names)


def test_the_known_servers_are_there() -> None:
    wanted = {"nginx", "redis:7.2", "postgres:15", "busybox", "alpine", "python:3.11", "curlimages/curl:8.16.0"}
    assert set(map(qualify, wanted)) <= set(public.available())


@pytest.mark.parametrize("name", ["mongo", "vllm/vllm-openai:v0.11.0", "nginx:1.29"])
def test_what_cannot_be_had_is_refused(name: str) -> None:
    with pytest.raises(ImageBuildError, match="not available"):
        public.build(name)
