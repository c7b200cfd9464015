"""Which claims cannot be bound as things are."""

from typing import Any

import pytest

from sovereign_operator.core.kubernetes.claims import DEFAULT_CLASSES, FORMER_CLASS, never_bound

Json = dict[str, Any]

FAST: Json = {"metadata": {"name": "fast"}}
FORMER_DEFAULT: Json = {"metadata": {"name": "usual", "annotations": {DEFAULT_CLASSES[1]: "true"}}}
DEFAULT: Json = {"metadata": {"name": "usual", "annotations": {DEFAULT_CLASSES[0]: "true"}}}


def claim(of: str | None = None, **annotations: str) -> Json:
    return {"metadata": {"annotations": annotations}, "spec": {} if of is None else {"storageClassName": of}}


def volume(phase: str = "Available", of: str = "") -> Json:
    return {"metadata": {"name": "pv"}, "spec": {"storageClassName": of}, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("one", "classes", "volumes", "words"),
    [
        (claim(of="fast"), [FAST], [], ""),
        (claim(of="slow"), [FAST], [], "claim data cannot be bound: there is no StorageClass slow, and no free"),
        (claim(of="slow"), [DEFAULT], [], "there is no StorageClass slow"),
        (claim(), [FAST], [], "it names no StorageClass, and there is no default"),
        (claim(), [FAST, DEFAULT], [], ""),
        (claim(), [FAST, FORMER_DEFAULT], [], ""),
        # Who names the empty class wants a volume without one.
        (claim(of=""), [DEFAULT], [], "it names no StorageClass"),
        (claim(of=""), [], [volume()], ""),
        (claim(of=""), [], [volume("Bound"), volume("Released")], "no free PersistentVolume"),
        (claim(of="slow"), [], [volume()], "there is no StorageClass slow"),
        (claim(of="slow"), [], [volume(of="slow")], ""),
        (claim(**{FORMER_CLASS: "fast"}), [FAST], [], ""),
        (claim(**{FORMER_CLASS: "slow"}), [FAST, DEFAULT], [], "there is no StorageClass slow"),
    ],
)
def test_a_claim_that_cannot_be_bound(one: Json, classes: list[Json], volumes: list[Json], words: str) -> None:
    said = never_bound("data", one, {found["metadata"]["name"]: found for found in classes}, volumes)
    assert words in said
    assert bool(words) is bool(said)
