"""Updating the model on a site's own records: only what the change plan lets through, and always with a way back."""
