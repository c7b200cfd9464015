"""The client: requests to the API server, what can go wrong with them, the clock, the Lease, Events."""
