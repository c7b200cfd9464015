"""What the signer does for each key of its queue: keep CAs and trust bundles, or answer one certificate request."""
