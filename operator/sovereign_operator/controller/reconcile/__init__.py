"""A reconciler for each key: gathers facts, has the core decide, and writes the result."""
