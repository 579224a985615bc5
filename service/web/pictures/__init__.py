"""Pictures of the review page: pure functions from facts to SVG text, each with its text alternative."""
