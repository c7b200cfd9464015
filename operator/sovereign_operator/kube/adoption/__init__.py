"""What is read from the API server before a workload is taken into scope."""
