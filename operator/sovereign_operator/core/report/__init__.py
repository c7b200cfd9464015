"""What users read: reasons, conditions, and the sentences that explain them."""
