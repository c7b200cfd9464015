"""The injector: a webhook that writes our sidecar into pods whose policy encrypts. All replicas answer."""
