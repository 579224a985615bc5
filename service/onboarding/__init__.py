"""What a hospital types in to connect, and a dry run of what its EHR sends: from the running configuration."""
