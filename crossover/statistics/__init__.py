"""Functions from tables to tables: estimates with intervals, tests, learning curves, and the crossover.

It may import `core` and `study`, reads no image and imports no learning framework. Begin with `metrics_table`, which
checks the tidy table of scores that everything here takes.
"""
