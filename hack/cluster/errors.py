"""What goes wrong with a cluster, said so that a person can do something about it."""


class ClusterError(Exception):
    """A cluster cannot be made, found or changed; the message says why and what to do."""
