"""Certificates that say where a pod runs: who signs them, who is trusted, and who gets one."""
