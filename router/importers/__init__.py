"""Readers of what users already have: benchmark results, price lists, usage records."""
