"""A CDS service that listens: it answers an EHR's calls with a test card and keeps what it was sent.

What is announced is what a hospital will get of us: the same ids, hooks and prefetch templates. Nothing is worked out
of a chart, and no card says anything about a patient.
"""
