"""What the controller reads before it takes a workload into scope: would its pods still find a node?"""
