"""Drafts: held, prepared, signed, written back, and the trail that proves it."""
