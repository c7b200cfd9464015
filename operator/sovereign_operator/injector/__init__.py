"""The injector: a mutating webhook that writes the sidecar into new pods whose policy encrypts."""
