"""The plan as a document: its rows, its file, the difference of two."""
