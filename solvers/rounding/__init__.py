"""Rows of a relaxation added up and rounded, sums of whole columns to branch on: small trees for hours in one piece.

rows      a sum of rows rounded: mixed-integer rounding
program   a program with sums, and with the roundings that its relaxation breaks, round by round
"""

from solvers.rounding.program import RoundedProgram, rounded_program, with_sums
from solvers.rounding.rows import RoundedRow, RowSums

__all__ = ["RoundedProgram", "RoundedRow", "RowSums", "rounded_program", "with_sums"]
