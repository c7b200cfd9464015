"""The seed: a Job that creates the SovereigntyPolicies and CloudServices that the chart ships, each only once."""
