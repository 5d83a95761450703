"""Recorded demand: CSV traces read, laid on the horizon, sorted into classes of size, and carried forward.

columns   which column is which                      read      a file as arrays, wrong lines named
record    one workload's rows in periods             demand    a problem's traces become counts and sizes
notes     what a plan says about its records         classes   requests by size
forecast  the same hour of last week, or a trend     write     workloads as a problem file
"""

from router.traces.demand import Recorded, recorded

__all__ = ["Recorded", "recorded"]
