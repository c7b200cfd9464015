"""Other kernels than this machine's, in virtual machines: what the agent says of them, and whether sidecars work."""
