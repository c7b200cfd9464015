"""Tools for working on the project: local cluster, images, generators, benchmarks, demo."""
