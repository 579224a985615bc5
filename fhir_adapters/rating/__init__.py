"""Questionnaires and rating scales."""
