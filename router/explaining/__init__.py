"""`router explain`: why there is no plan and the least change that makes one; or what binds, and what more is worth.

    promises      the promises of a problem, each with the problem in which it is not made
    conflict      infeasible: the least repair of each promise alone, and a set of promises that contradict each other
    admission     refused routes: the smallest change that would admit each
    marginal      feasible: what binds, and the marginal price of a little more of it
    savings       what a change saves: the difference of two solved plans
    thresholds    the prices at which used offers would leave and unused ones enter, each crossed

On business rows throughout (a workload's demand, a quota, a budget), never on matrix rows.
"""

from router.explaining.run import Explanation, explain

__all__ = ["Explanation", "explain"]
