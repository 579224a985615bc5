"""What a feed tells and lacks, as a report."""
