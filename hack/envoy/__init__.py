"""Which settings Envoy has, read from its own program, and what was decided about each of them."""
