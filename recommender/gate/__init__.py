"""Whether anything may be suggested at all, and whom to call."""
