"""The EHRs: one tenant each, one client each, and what is written back to them."""
