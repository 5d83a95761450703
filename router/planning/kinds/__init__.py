"""Many workloads of few kinds: planned as one workload of each kind, and taken apart again.

alike    which workloads differ in name and volume alone, and the problem with one in place of each kind
apart    the rows of a kind, by workload
"""
