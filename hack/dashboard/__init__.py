"""The Grafana dashboard of the chart: its description, its JSON, and a picture of what it shows."""
