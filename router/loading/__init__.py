"""Problem files in: YAML with positions, includes merged, references resolved, content hashed."""
