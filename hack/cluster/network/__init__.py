"""A cluster's network: its addresses, the links between machine, cluster and nodes, and the names of Services."""
