"""The figures of a sized plan: how they follow from the scenarios, and from each other."""
