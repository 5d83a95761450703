"""Rows of a program added up and rounded: what whole columns make of them. Weights are those of the simplex tableau.

rows      one rounding: its formula, and those that it is made of
tableau   each row of the tableau rounded as it stands, all at once: of long sparse programs
sought    a sum rounded at the scale, and counted from the ends, of which its point lies farthest beyond: of small ones
lifted    a relaxation with rounds of `tableau`
program   a program with rounds of `sought`, and with sums of whole columns to branch on
"""

from solvers.rounding.program import RoundedProgram, rounded_program, with_sums
from solvers.rounding.rows import RoundedRow

__all__ = ["RoundedProgram", "RoundedRow", "rounded_program", "with_sums"]
