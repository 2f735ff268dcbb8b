"""Predicted masks against manual masks: overlap, distances between surfaces, radiomics features.

It may import `core`, `imaging` and `study`; `exchange`, `training`, `execution` and `cli` may import it. Begin with
`metrics`, which writes the tidy table that all statistics begin with.
"""
