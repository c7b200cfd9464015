"""The sidecar's processes: one writes Envoy's files and becomes Envoy, or what keeps Envoy's certificate valid."""
