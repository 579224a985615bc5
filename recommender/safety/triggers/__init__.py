"""Three-valued answers to what a rule asks of a chart, one module for each thing that is read.

True is said of what was found; false only where looking was possible (a list supplied whole, a value present
and fresh); everything else is unknown, with the missing input named.
"""
