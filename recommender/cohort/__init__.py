"""Simulated patients, drawn from published evidence and what it does not know."""
