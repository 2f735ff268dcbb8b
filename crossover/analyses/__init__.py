"""The figures of a study and which of them it has.

It may import `core`, `imaging`, `networks`, `study`, `statistics` and `findings`. Begin with `figures.catalogue`.
"""
