"""Problem, allergy, consent and family lists."""
