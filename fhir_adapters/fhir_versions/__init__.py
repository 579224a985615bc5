"""DSTU2, STU3 and R5 told as R4, by named operators."""
