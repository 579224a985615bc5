"""The learned ranker: model, outcomes, uncertainty, utility."""
