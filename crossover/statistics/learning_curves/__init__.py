"""Scores as a function of the number of training cases, n.

`forms` fits the two forms of a curve, `curves` gives every family's with its band, `extrapolation` continues it, and
`crossing` estimates the n at which one family overtakes another. It imports `scores` and `estimates`. Begin with
`curves`.
"""
