"""Running a study on a machine.

What would run and why, how long and with how much memory and disk, progress, and whether results are what their
provenance records say.

It may import `core`, `imaging`, `sources`, `networks`, `study`, `evaluation`, `training`, `statistics`, `analyses`,
`report` and `exchange`; `cli` may import it. Begin with `readiness` and `preflight`; only `workflow` knows Snakemake.
"""
