"""Large programs in which work waits: without arrivals, rounded, and made better window by window."""
