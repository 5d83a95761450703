"""Bounds that are our own: recomputed from multipliers in safe arithmetic, by a tree where whole numbers matter.

    safe          what multipliers prove about a program, rounded down
    tree          branch and bound whose every leaf has such a bound
    open_columns  a relaxation without the columns and rows that whole numbers at 0 shut
    whole         a program taken apart, like parts proved once, each by what fits it

No solver's word is in any of them: a solver proposes multipliers and points, and what they prove is computed here.
"""

from solvers.proof.safe import refuting, safe_bound
from solvers.proof.tree import ProofLeaf, ProofTree, WorkLimits, branch_and_bound, effort
from solvers.proof.whole import ProgramProof, ProvedPart, prove

__all__ = [
    "ProofLeaf",
    "ProvedPart",
    "ProgramProof",
    "ProofTree",
    "WorkLimits",
    "branch_and_bound",
    "effort",
    "prove",
    "refuting",
    "safe_bound",
]
