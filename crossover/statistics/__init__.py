"""Functions from tables to tables: estimates with intervals, tests, learning curves, the crossover, a paper's claims.

It may import `core` and `study`; `analyses`, `report`, `execution` and `cli` may import it. It reads no image and
imports no learning framework. Its sub-packages import each other in this order only: `scores`, `estimates`,
`differences`, `learning_curves`, `study_planning`, `papers`. Begin with `scores.metrics_table`, which checks the tidy
table of scores that everything here takes.
"""
