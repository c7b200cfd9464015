"""Certificates for sidecars that ask the signer themselves, with a token of their pod: before pod certificates."""
