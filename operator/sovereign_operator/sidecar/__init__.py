"""The sidecar's process: writes Envoy's bootstrap, and then becomes Envoy."""
