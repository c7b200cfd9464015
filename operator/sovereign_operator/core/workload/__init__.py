"""A SovereignWorkload: what is decided about its workload, what is written, and what is reported."""
