"""What every process of ours needs: a work queue, health and metrics over HTTP, a log, where it runs."""
