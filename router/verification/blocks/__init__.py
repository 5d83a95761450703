"""Blocks of periods, each looked at as a problem and a plan of its own, where nothing else reaches across periods.

    cut         a block without contracts and fees, which are settled for the horizon as a whole
    looking     what the checks say of a block, in any process
    streaming   a plan whose rows are read a block at a time
    proof       a proof whose parts are of blocks

Every check but those that span the horizon looks at each block, as at a plan for a problem of so many periods; those
that span it look at the plan without its rows and at the sums. That is all there is to check where nothing else of the
problem reaches across periods (`plan.across`).
"""
