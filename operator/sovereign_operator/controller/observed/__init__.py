"""What the controller has observed of the cluster, kept up to date, and the questions that it answers."""
