"""The registry of analyses: each statistic, table and figure is one module of `statistics`, `tables` or `figures`.

It may import `core`, `imaging`, `networks`, `study` and `statistics`; `report`, `execution` and `cli` may import it.
Begin with `analysis.Analysis`, which a module declares, and with a short one of them, as
`analyses.statistics.summary` or `analyses.figures.performance`.
"""
