"""How hypothesis runs tests that need many examples."""

from hypothesis import Phase, settings

ANY_EXAMPLE = settings(max_examples=1000, phases=[Phase.generate], database=None)
"""One example will do: do not look for the smallest."""
