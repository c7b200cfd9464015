"""The seed: a Job that creates the policies and services which the chart ships, each of them once."""
