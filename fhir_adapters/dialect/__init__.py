"""What is odd about an EHR: its profile, its code maps, the names of code systems."""
