"""Nodes: their components, and the images that they pull."""
