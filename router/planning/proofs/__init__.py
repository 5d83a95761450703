"""Bounds of our own, by promise: the verifier's relaxation as a program, and what was proven of it by name again."""
