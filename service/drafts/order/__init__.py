"""What an order may have, in words and in numbers, and what a signer may change in it."""
