"""`router explain`: why there is no plan and the least change that makes one; or what binds, and what more is worth.

    promises      the promises of a problem, each with the problem in which it is not made
    conflict      infeasible: the least repair of each promise alone, and a set of promises that contradict each other
    admission     refused routes: the smallest change that would admit each
    worth         feasible: what binds, what a unit more is worth, and the price at which an unused offer would be used

On business rows throughout (a workload's demand, a quota, a budget), never on matrix rows.
"""

from router.explaining.run import Explanation, explain

__all__ = ["Explanation", "explain"]
