"""The controller: gathers facts, asks the core, applies the answer. It holds no rule."""
