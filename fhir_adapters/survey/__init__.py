"""What a feed tells, what it lacks, and what to change."""
