"""Tests of whether models differ: those that the studies report, and paired ones that count every source of chance.

`paired` compares two models on the same cases, `repeated` several, `comparisons` is the studies' analysis of variance
with Tukey's test, and `ranking` tells how surely models rank as they do. It imports `scores` and `estimates`. Begin
with `paired`.
"""
