"""Requests replayed against a plan, by discrete events: the percentiles achieved beside those promised.

arrivals     when requests come: Poisson, bursty, or as recorded; and how long each holds a server
station      the streams and pools of a plan, read from plan and problem, period by period
queue        first come, first served, over many servers
quotas       caps by the minute, minute by minute
spills       what limits that spill refuse, minute by minute, and where it goes
confidence   how sure a simulated share or percentile is
replay       one period from requests to waits
verdicts     promises kept, broken, or not decided; and what mends the broken ones
report       what `simulate` returns
"""

from router.simulation.replay import simulate
from router.simulation.report import PoolWaits, PromiseVerdict, SimulationReport

__all__ = ["PoolWaits", "PromiseVerdict", "SimulationReport", "simulate"]
