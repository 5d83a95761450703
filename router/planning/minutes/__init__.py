"""What the minutes of a period make of a plan: capacity that refuses, and caps that are passed for a while."""
