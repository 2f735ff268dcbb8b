"""Predicted masks against manual masks: overlap, distances between surfaces, radiomics features.

It may import `core`, `imaging` and `study`. `metrics` writes the tidy table that all statistics begin with.
"""
