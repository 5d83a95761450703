"""Whole numbers searched on other programs than the encoded one, by what that is made of.

in_parts   what falls apart in its parts, a market piece by piece, a long one by windows of hours
booting    pools that boot, with columns more
"""
