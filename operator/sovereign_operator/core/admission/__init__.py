"""Admission policies and webhooks: what is in the cluster against what the chart installed."""
