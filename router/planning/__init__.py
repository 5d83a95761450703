"""From a loaded problem to a verified plan."""
