"""Virtual machines with other kernels than this machine's, to run the agent and the data plane on them."""
