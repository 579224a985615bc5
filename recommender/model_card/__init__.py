"""The model card: source attributes of a decision support intervention, filled from manifest and evaluation."""
