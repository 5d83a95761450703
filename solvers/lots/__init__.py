"""Flows of lots that may wait, as one flow per way and step: a smaller program with the same optimum.

    lot a      work[a] > 0, all of it served:            Σ_j x_j = 1 over its flows j, one for each way and step
    way, step  flows of all lots that may run there:     alike but for their work, in cost and in all other rows

    run[w,t] = Σ_a work[a] · x[a,w,t] / most[t]          most[t]: work of the lots that may run at step t
    most[t] · Σ_w run[w,t] + held[t] · kept[t] − kept[t−1] · held[t−1] = work that comes at t
    0 ≤ held[t] ≤ 1                                      kept[t]: work that has come by t and may run after it

Lots come and are due in one order, so that what runs may be shared out first come, first served: whatever keeps to
these rows is a point of the whole program of the same cost, and the other way round. Prices go back as well: a lot is
worth what work costs at the cheapest of its steps. A flow that is alone in a row beside whole columns (nothing runs on
nothing) has one such row for each way and step in place of one for each lot.

What differs between lots of a program in any other way, rows of its own included, is left as it is.
"""

from solvers.lots.pooled import Lots, Pooled
from solvers.lots.pooling import pooled

__all__ = ["Lots", "Pooled", "pooled"]
