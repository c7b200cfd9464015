"""Encryption in transit: which traffic is mutual TLS, and how far a policy has come with it."""
