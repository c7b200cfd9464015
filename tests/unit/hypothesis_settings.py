"""Settings of hypothesis for tests that need many examples."""

from hypothesis import Phase, settings

ANY_EXAMPLE = settings(max_examples=1000, phases=[Phase.generate], database=None)
"""Any example is enough: do not shrink it."""
