"""What a user may write: one package per API version, one module per kind."""
