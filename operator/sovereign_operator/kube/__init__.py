"""How we read and write Kubernetes: client, watches, apply, Lease, clock."""
