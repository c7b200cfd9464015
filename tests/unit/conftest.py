"""How hypothesis runs here: the machine may be shared, so no example is timed."""

from hypothesis import settings

settings.register_profile("unit", deadline=None, max_examples=100)
settings.load_profile("unit")
