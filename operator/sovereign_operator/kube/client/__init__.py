"""The client: requests to the API server, their errors, the server's clock, leader election, Events."""
