"""The chart, rendered by Helm."""

import pytest
import yaml

from tests.chart.rendering import Json, Render, template


@pytest.fixture(scope="session")
def render() -> Render:
    """Render the chart with options, and return its objects."""

    def run(*options: str) -> list[Json]:
        done = template(*options)
        assert done.returncode == 0, done.stderr
        # The parser in C: the one in Python would take seconds for the rendered chart.
        return [document for document in yaml.load_all(done.stdout, yaml.CSafeLoader) if document]

    return run
