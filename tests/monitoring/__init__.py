"""The chart's dashboard and alerts, asked of a real Prometheus that reads the metrics of the operator's own code."""
