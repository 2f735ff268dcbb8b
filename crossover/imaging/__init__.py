"""Images as arrays on grids.

Comparing grids, correcting the bias field, cutting slices for a network, and laying predictions back on the grid of
the case.

It may import `core`; `sources`, `study`, `evaluation`, `exchange`, `training`, `analyses`, `execution` and `cli` may
import it. Begin with `volumes` and `slices`; the settings are in `settings`.
"""
