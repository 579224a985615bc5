"""Making the shipped model from the simulated cohort, and measuring it."""
