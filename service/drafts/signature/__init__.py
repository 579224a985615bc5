"""What is signed: the bytes of an order or of a no, the key, and the Provenance of both."""
