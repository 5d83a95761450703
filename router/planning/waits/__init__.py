"""Pools whose users wait: where promises break, and the best plan of parts of a long problem.

tighten  where a plan's waiting breaks a promise, and where regions are to be cut
parted   periods that fall apart once what spans them is held
"""
