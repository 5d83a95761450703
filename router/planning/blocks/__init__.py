"""A plan of many periods, made a block of them at a time: memory for one block, time as there are periods.

    deciding   on hours spread over the horizon: what is signed and paid for, and what use of contracts is worth
    solving    a block as a problem of its own: its rows, and a bound of it
    settling   what contracts and fees come to, from the sums of all blocks
    planning   all of it, into files

For problems of which nothing reaches across periods but contracts and fees for the whole horizon (`plan.across`).
"""
