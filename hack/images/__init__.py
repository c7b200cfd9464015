"""Container images without a container engine: the operator's, and stand-ins for public ones."""
