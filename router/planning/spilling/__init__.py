"""Capacity that refuses what is too much in a minute: the search for a plan, and its rows."""
