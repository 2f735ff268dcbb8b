"""A study as data.

Its schema, what must hold between its keys, its plan of trainings, its splits of the patients, and what each rule of
the workflow reads of it.

It may import `core`, `imaging`, `sources` and `networks`; `evaluation`, `exchange`, `training`, `statistics`,
`analyses`, `report`, `execution` and `cli` may import it. Begin with `schema` and `plan`.
"""
