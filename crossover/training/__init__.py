"""Stages: one training each, from patients, a parent and a level to weights, a history and a record; and predictions.

It may import `core`, `imaging`, `networks`, `study`, `evaluation` and `exchange`; `execution` and `cli` may import
it. Begin with `job` and `stage`; `engines` holds the two learning frameworks, which no other package imports, and
`backends` what trains by them.
"""
