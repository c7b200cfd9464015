"""What the signer does about a key: authorities and their bundles, and one certificate request."""
