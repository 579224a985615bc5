"""Start, ceiling, supply, tapers, and the judgement of a dose."""
