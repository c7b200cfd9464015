"""What the controller does about a key: gather facts, ask the core, write the answer."""
