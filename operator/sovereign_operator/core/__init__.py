"""What we decide: pure functions of facts. Time is a fact."""
