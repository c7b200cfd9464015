"""Where pods may run: facts about nodes and datacentres, and the verdict that follows from them."""
