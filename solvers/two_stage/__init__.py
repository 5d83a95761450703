"""Programs of two stages: what is decided before a future is known, and what follows in each.

risk            what is minimised over scenarios: the mean, and the mean of its worst part
recourse        the second stage of a scenario as a function of the first: its cost, and how that changes
recourse_parts  one that falls apart once the first stage is held
joint_recourse  the second stages of all scenarios as one, and what a question changes of them
small_tree      the least cost of a tiny program by a tree of linear programs
benders         the first stage by cuts of these
"""
