"""The signer: issues certificates that prove where a pod runs, and keeps the trust bundles to check them."""
