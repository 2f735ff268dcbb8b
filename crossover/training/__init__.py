"""Stages: one training each, from patients, a parent and a level to weights, a history and a record; and predictions.

It may import all packages that stand before it in `tests/test_rooms.py`. No other package imports a learning
framework. Begin with `stage` and `run`; `engines` holds the two learning frameworks.
"""
