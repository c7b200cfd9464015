"""What is said to users: reasons, conditions, and the sentences that explain them."""
