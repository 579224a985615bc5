"""What can be proved afterwards: chains, signatures, checkpoints, and who looked at what."""
