"""The sidecar: writes Envoy's bootstrap, and becomes Envoy."""
