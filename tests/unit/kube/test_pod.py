"""What is read of pods."""

from typing import Any

import pytest

from sovereign_operator.kube.objects.pod import see_pod


@pytest.mark.parametrize(
    ("spec", "status"),
    [
        pytest.param({"nodeName": 5}, {}, id="a node name"),
        pytest.param({}, {"podIPs": [{"ip": "10.0.0.1"}, {"ip": {"a": "b"}}]}, id="an address"),
    ],
)
def test_what_is_no_text_is_not_kept(spec: dict[str, Any], status: dict[str, Any]) -> None:
    """Whoever reads the pod later could not expect it. The mirror counts such a pod at its worst."""
    with pytest.raises(TypeError, match="is no text"):
        see_pod(
            {
                "metadata": {"name": "a", "namespace": "ns", "uid": "u"},
                "spec": {"containers": [], **spec},
                "status": status,
            }
        )
