"""The demo: what a platform admin sees in one screen, on a real cluster."""
