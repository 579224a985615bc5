"""What the knowledge says of a drug, as a page and as reports."""
