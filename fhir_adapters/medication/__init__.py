"""Drugs, strengths, dosages and courses of treatment."""
