"""Three-valued safety rules."""
