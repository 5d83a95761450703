"""Few counts beside very many flows: a tree over the counts and over their sums.

solving      a plan and its bound
share_rows   rows that hold for whole counts where nobody may carry more than a share
leaves       what the tree proves, row by row of the program
"""

from solvers.sums.share_rows import ShareRows, pools
from solvers.sums.solving import solve_summed

__all__ = ["ShareRows", "pools", "solve_summed"]
