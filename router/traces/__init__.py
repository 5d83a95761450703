"""Recorded demand: CSV traces read, laid on the horizon, sorted into classes of size, and carried forward.

columns, read, table    a file as arrays; which column is which; wrong lines named
record                  the rows of one workload in periods: counts, sizes, gaps, burstiness
demand, notes           a problem's traces become counts and sizes, and what its plan says about them
classes                 requests by size
forecast                the same hour of last week, or a trend
extract, write          a raw trace as workloads of a problem file
"""

from router.traces.demand import Recorded, recorded

__all__ = ["Recorded", "recorded"]
