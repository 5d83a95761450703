"""Bills of a plan: what they count, span by span."""
