"""The signer: certificates that say where a pod runs, and the bundles that say whom to trust."""
