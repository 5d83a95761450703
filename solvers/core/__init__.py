"""What every backend shares: the program, the answer, the options, the registry, the checks."""
