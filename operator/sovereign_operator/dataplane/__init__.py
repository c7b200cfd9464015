"""How Envoy and nftables are told what becomes of a pod's traffic. Pure: text and JSON."""
