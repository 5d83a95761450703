"""What a solver states, put to the test by another way before anybody is told.

no_plan       "infeasible": proved, or a plan after all
second_look   "optimal", of a small program: by another path, while it is planned
second_road   a plan's bound, when somebody asks (`router prove`): by another solver
"""
