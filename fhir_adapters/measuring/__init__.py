"""Observations, units and wearables."""
