"""A run told to people and to machines: one module a form, all from the same results."""
