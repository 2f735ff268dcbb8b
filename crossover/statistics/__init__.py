"""Functions from tables to tables: estimates with intervals, tests, learning curves, the crossover, a paper's claims.

Its sub-packages import each other in this order only: `scores`, `estimates`, `differences`, `learning_curves`,
`study_planning`, `papers`. It may import `core` and `study`, reads no image and imports no learning framework. Begin
with `scores.metrics_table`, which checks the tidy table of scores that everything here takes.
"""
