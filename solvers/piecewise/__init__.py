"""A program of many small pieces that share prices, quotas and contracts.

copies    the program, written so that each piece has copies of what spans them
priced    the pieces under prices of the rows that reach across: their optima bound the whole
rounds    better prices, round by round
pool      what pieces have done so far, put together: prices, and plans
pooled    rounds of prices by the pool
signing   what spans pieces, held and tried: what to sign
solving   a plan and its bound
apart     whole numbers tried in all pieces at once
choice    a way to round for each piece, so that together they keep to all rows
roundings ways to round tried, and chosen from
boxed     better prices where few things are priced
held      few decisions that span pieces: a tree over them, each leaf bounded by pieces
holding   a plan and its bound of such a program
proven    what the pieces' trees prove, row by row
"""
