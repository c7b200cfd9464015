"""The configuration of Envoy and nftables that controls a pod's traffic. Pure: it returns text and JSON."""
