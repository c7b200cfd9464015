"""How a sidecar reads the memory limit of its container."""

from pathlib import Path

import pytest

from sovereign_operator.core.sidecar.contract import LEAST_MEMORY
from sovereign_operator.sidecar import __main__ as start
from sovereign_operator.sidecar import envoy_files


@pytest.mark.parametrize(
    ("contents", "limit"),
    [
        (("max", None), None),
        (("536870912", None), 536870912),
        # cgroups version 1, with and without a limit.
        ((None, "134217728"), 134217728),
        ((None, "9223372036854771712"), None),
        ((None, None), None),
    ],
)
def test_its_limit_is_that_of_its_cgroup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: tuple[str | None, str | None], limit: int | None
) -> None:
    paths = tuple(tmp_path / name for name in ("memory.max", "memory.limit_in_bytes"))
    for path, text in zip(paths, contents, strict=True):
        if text is not None:
            path.write_text(f"{text}\n")
    monkeypatch.setattr(envoy_files, "MEMORY_LIMITS", paths)
    assert envoy_files.memory_limit() == limit


def test_it_does_not_start_with_too_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "memory.max"
    path.write_text(str(LEAST_MEMORY - 4096))
    monkeypatch.setattr(envoy_files, "MEMORY_LIMITS", (path,))
    with pytest.raises(SystemExit, match="too few: give sovereignty-sidecar 134217728 or more"):
        start.main([])
