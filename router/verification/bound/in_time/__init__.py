"""What bills count in order of time: price bands, and use above a commitment."""
