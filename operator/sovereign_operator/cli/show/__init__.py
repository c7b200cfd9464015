"""Shows answers: as text for people, and as JSON or YAML for programs."""
