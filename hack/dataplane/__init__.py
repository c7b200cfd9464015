"""Pods as network namespaces of this machine, with the real redirect and a real Envoy, for tests and benchmarks."""
