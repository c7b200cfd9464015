"""The demo: what a platform admin sees on one screen, with a real cluster."""
