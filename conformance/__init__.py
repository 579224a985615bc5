"""Judges an EHR or a service from outside, over HTTP; holds the reference EHR and the demo."""
