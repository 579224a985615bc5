"""The canonical feature vector and its schema."""
