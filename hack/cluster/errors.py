"""The error that clusters raise."""


class ClusterError(Exception):
    """A cluster cannot be created, found or changed; the message says why and what to do."""
